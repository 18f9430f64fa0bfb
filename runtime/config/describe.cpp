#include "runtime/config/describe.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <vector>

#include "runtime/config/text.h"

namespace softmoe::config {
namespace {

constexpr std::size_t kColumns = 4;
constexpr std::size_t kMaxWidth = 48;  // a longer cell pushes its own line, not the whole table

using Row = std::array<std::string, kColumns>;

std::string text_line(const Row& row, const std::array<std::size_t, kColumns>& widths) {
  std::string line;
  for (std::size_t i = 0; i + 1 < kColumns; ++i) line += fmt::format("{:<{}}  ", row[i], widths[i]);
  line += row.back();
  line.erase(line.find_last_not_of(' ') + 1);
  return line + '\n';
}

std::string text_table(const std::vector<Row>& rows) {
  std::array<std::size_t, kColumns> widths{};
  for (const Row& row : rows) {
    for (std::size_t i = 0; i < kColumns; ++i) {
      const std::size_t width = characters_of(row[i]).size();
      if (width <= kMaxWidth) widths[i] = std::max(widths[i], width);
    }
  }
  std::string table;
  for (const Row& row : rows) table += text_line(row, widths);
  return table;
}

// A bar would end the cell.
std::string markdown_cell(std::string_view text) {
  std::string cell;
  for (const char c : text) {
    if (c == '|') cell += '\\';
    cell += c;
  }
  return cell;
}

std::string markdown_table(const std::vector<Row>& rows) {
  std::string table;
  for (const Row& row : rows) {
    const bool is_head = table.empty();
    const std::string_view tick = is_head ? "" : "`";
    table += fmt::format("| {0}{1}{0} | {0}{2}{0} | {3} | {4} |\n", tick, markdown_cell(row[0]),
                         markdown_cell(row[1]), markdown_cell(row[2]), markdown_cell(row[3]));
    if (is_head) table += "|---|---|---|---|\n";
  }
  return table;
}

}  // namespace

std::string describe(const Origins& settings, TableFormat format) {
  std::vector<Row> rows = {{"key", "default", "allowed", "meaning"}};
  for (const Setting& setting : settings) {
    rows.push_back({setting.key, setting.value, setting.allowed, setting.help});
  }
  return format == TableFormat::markdown ? markdown_table(rows) : text_table(rows);
}

}  // namespace softmoe::config
