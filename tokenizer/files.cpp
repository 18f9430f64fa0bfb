#include "tokenizer/files.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

#include "tokenizer/failure.h"

namespace softmoe::tokenizer {
namespace {

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
using File = std::unique_ptr<std::FILE, CloseFile>;

std::string read_all(std::FILE* file, const std::string& path) {
  std::string content;
  char block[1 << 16];
  while (const std::size_t got = std::fread(block, 1, sizeof block, file))
    content.append(block, got);
  if (std::ferror(file) != 0) {
    throw Failure(ExitCode::bad_data,
                  fmt::format("cannot read {}: {}", path, std::strerror(errno)));
  }
  return content;
}

}  // namespace

std::string read_input(const std::string& path) {
  if (path == "-") return read_all(stdin, "standard input");
  const File file(std::fopen(path.c_str(), "rb"));
  if (!file) {
    throw Failure(ExitCode::missing_input,
                  fmt::format("cannot open {}: {}", path, std::strerror(errno)));
  }
  return read_all(file.get(), path);
}

void write_output(const std::string& path, std::string_view content) {
  const std::string part = path + ".part";
  const auto fail = [&](const char* what) {
    const int error = errno;
    std::remove(part.c_str());
    throw Failure(ExitCode::cannot_write,
                  fmt::format("cannot {} {}: {}", what, path, std::strerror(error)));
  };
  File file(std::fopen(part.c_str(), "wb"));
  if (!file) fail("create");
  if (std::fwrite(content.data(), 1, content.size(), file.get()) != content.size()) fail("write");
  if (std::fclose(file.release()) != 0) fail("write");
  if (std::rename(part.c_str(), path.c_str()) != 0) fail("create");
}

}  // namespace softmoe::tokenizer
