#include "runtime/config/source.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "runtime/base/errors.h"

namespace softmoe::config {
namespace {

class OpenFile {
 public:
  // Without O_NONBLOCK, opening a FIFO would wait for its writer before we could refuse it.
  explicit OpenFile(const std::string& name)
      : descriptor_(::open(name.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC)) {}
  ~OpenFile() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;

  [[nodiscard]] int descriptor() const { return descriptor_; }

 private:
  int descriptor_;
};

[[noreturn]] void refuse_size(const std::string& name) {
  throw ConfigError(fmt::format("{}: error: longer than {} bytes, the limit for a configuration",
                                name, Source::kMaxBytes));
}

[[noreturn]] void refuse_access(const std::string& name, std::string_view action) {
  throw ConfigError(fmt::format("{}: error: cannot {} the configuration: {}", name, action,
                                std::strerror(errno)));
}

// A file may grow while it is read, so the limit counts what was read and not what stat said.
std::string read_up_to_limit(const OpenFile& file, const std::string& name) {
  std::string text(Source::kMaxBytes + 1, '\0');
  std::size_t size = 0;
  while (size < text.size()) {
    const ssize_t got = ::read(file.descriptor(), text.data() + size, text.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) refuse_access(name, "read");
    if (got == 0) break;
    size += static_cast<std::size_t>(got);
  }
  text.resize(size);
  return text;
}

}  // namespace

Source::Source(std::string text, std::string name)
    : name_(std::move(name)), text_(std::move(text)) {
  if (text_.size() > kMaxBytes) refuse_size(name_);
  if (text_.starts_with("\xEF\xBB\xBF")) text_.erase(0, 3);
  line_begin_.push_back(0);
  for (std::size_t i = 0; i < text_.size(); ++i) {
    if (text_[i] == '\n') line_begin_.push_back(i + 1);
  }
}

Source Source::file(const std::filesystem::path& path) {
  const std::string& name = path.native();
  const OpenFile file(name);
  if (file.descriptor() < 0) refuse_access(name, "open");
  struct stat status {};
  if (::fstat(file.descriptor(), &status) != 0) refuse_access(name, "examine");
  if (!S_ISREG(status.st_mode)) {
    throw ConfigError(fmt::format("{}: error: not a regular file; name a YAML file", name));
  }
  return {read_up_to_limit(file, name), name};
}

Source Source::text(std::string text, std::string name) {
  return {std::move(text), std::move(name)};
}

Source Source::none() {
  return {std::string(), "configuration"};
}

std::string_view Source::line(int line) const {
  if (line < 1 || static_cast<std::size_t>(line) > line_begin_.size()) return {};
  const std::size_t begin = line_begin_[line - 1];
  const bool is_last = static_cast<std::size_t>(line) == line_begin_.size();
  const std::size_t end = is_last ? text_.size() : line_begin_[line] - 1;
  std::string_view rest = text().substr(begin, end - begin);
  if (rest.ends_with('\r')) rest.remove_suffix(1);
  return rest;
}

std::size_t Source::offset(int line, int column) const {
  if (line < 1 || static_cast<std::size_t>(line) > line_begin_.size()) return text_.size();
  const std::size_t wanted =
      line_begin_[line - 1] + static_cast<std::size_t>(std::max(column, 1)) - 1;
  return std::min(wanted, text_.size());
}

}  // namespace softmoe::config
