#include "tests/support/docs_table.h"

#include <fmt/format.h>

#include <fstream>

namespace softmoe::test {

std::vector<std::string> table_of_docs(const std::string& root, std::string_view page,
                                       std::string_view mark) {
  std::ifstream stream(fmt::format("{}/docs/{}", root, page));
  const std::string begin = fmt::format("<!-- {} -->", mark);
  const std::string end = fmt::format("<!-- end of {} -->", mark);
  std::vector<std::string> lines;
  bool is_inside = false;
  for (std::string line; std::getline(stream, line);) {
    if (line == end) is_inside = false;
    if (is_inside && !line.empty()) lines.push_back(line);
    if (line == begin) is_inside = true;
  }
  return lines;
}

}  // namespace softmoe::test
