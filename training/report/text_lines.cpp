#include "training/report/text_lines.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

namespace softmoe::training {

namespace {

using nlohmann::json;

constexpr std::int64_t kPieceBytes = std::int64_t{1} << 20;

[[noreturn]] void refuse(const storage::Path& path, std::int64_t line, const std::string& what) {
  throw StorageError(StorageError::Kind::bad_format,
                     fmt::format("{}:{}: {}", path.string(), line, what));
}

/// Puts lines together from pieces.
class LineCutter {
 public:
  LineCutter(const storage::Path& path, const std::function<void(const TextLine&)>& take)
      : path_(path), take_(take) {}

  void add(std::string_view piece) {
    for (std::size_t end = piece.find('\n'); end != std::string_view::npos;
         end = piece.find('\n')) {
      held_ += piece.substr(0, end);
      hand_over(true);
      piece.remove_prefix(end + 1);
    }
    held_ += piece;
    if (static_cast<std::int64_t>(held_.size()) > kMaxLineBytes) {
      refuse(path_, line_,
             fmt::format("the line has more than {} bytes: this is no such file", kMaxLineBytes));
    }
  }

  void finish() {
    if (!held_.empty()) hand_over(false);
  }

 private:
  void hand_over(bool is_ended) {
    take_({.number = line_, .text = held_, .is_ended = is_ended});
    ++line_;
    held_.clear();
  }

  const storage::Path& path_;
  const std::function<void(const TextLine&)>& take_;
  std::int64_t line_ = 1;
  std::string held_;
};

}  // namespace

void for_each_line(storage::FileSystem& files, const storage::Path& path,
                   const std::function<void(const TextLine&)>& take) {
  // The size is that of now: what a running process appends later is not read.
  const std::unique_ptr<storage::ReadableFile> file = files.open(path);
  LineCutter cutter(path, take);
  std::string piece;
  for (std::int64_t at = 0; at < file->size(); at += kPieceBytes) {
    piece.resize(static_cast<std::size_t>(std::min(kPieceBytes, file->size() - at)));
    file->read_at(at, std::as_writable_bytes(std::span(piece)));
    cutter.add(piece);
  }
  cutter.finish();
}

bool for_each_object(storage::FileSystem& files, const storage::Path& path,
                     const std::function<void(const json&)>& take) {
  bool is_torn = false;
  for_each_line(files, path, [&](const TextLine& line) {
    const json object = json::parse(line.text, nullptr, /*allow_exceptions=*/false);
    if (object.is_object()) {
      try {
        take(object);
      } catch (const json::exception& error) {
        refuse(path, line.number, error.what());
      } catch (const InvalidArgument& error) {
        refuse(path, line.number, error.what());
      }
    } else if (line.is_ended) {
      refuse(path, line.number,
             fmt::format("this is no JSON object; the file is damaged. What stands before it can "
                         "be saved with: head -n {} FILE",
                         line.number - 1));
    } else {
      is_torn = true;
    }
  });
  return is_torn;
}

}  // namespace softmoe::training
