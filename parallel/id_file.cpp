// The id of a world in a file: one line that says what it is, one that says of which run, and the
// id in hexadecimal.

#include <fmt/format.h>

#include <charconv>
#include <optional>
#include <thread>
#include <utility>

#include "parallel/id_exchange.h"
#include "runtime/base/deadline.h"
#include "runtime/storage/atomic_file.h"

namespace softmoe::parallel {

namespace {

constexpr std::string_view kTitle = "softmoe world id 1";
constexpr std::int64_t kMaxBytes = 4096;
// Shared file systems answer slowly and do not like to be asked often.
constexpr std::chrono::milliseconds kLookEvery{50};

struct IdText {
  std::string run;
  std::string id;  ///< hexadecimal
};

std::string to_hexadecimal(std::span<const std::byte> bytes) {
  std::string text;
  for (const std::byte byte : bytes) text += fmt::format("{:02x}", std::to_integer<int>(byte));
  return text;
}

/// Fills `bytes`; says whether `text` is exactly that many bytes.
bool from_hexadecimal(std::string_view text, std::span<std::byte> bytes) {
  if (text.size() != 2 * bytes.size()) return false;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    unsigned value = 0;
    const char* digits = text.data() + 2 * i;
    const auto [end, error] = std::from_chars(digits, digits + 2, value, 16);
    if (error != std::errc() || end != digits + 2) return false;
    bytes[i] = static_cast<std::byte>(value);
  }
  return true;
}

/// Takes the first line off `text`.
std::string take_line(std::string_view& text) {
  const std::size_t end = std::min(text.find('\n'), text.size());
  const std::string line(text.substr(0, end));
  text.remove_prefix(std::min(end + 1, text.size()));
  return line;
}

class FileIdExchange final : public IdExchange {
 public:
  FileIdExchange(storage::FileSystem& files, IdFile place)
      : files_(&files), place_(std::move(place)) {
    require(!place_.run.empty() && place_.run.find('\n') == std::string::npos,
            "the name of a run is one line of text");
  }

  void share(std::span<std::byte> id, Rank rank) override {
    if (rank == Rank(0)) {
      publish(id);
    } else {
      look_for(id, rank);
    }
  }

  void finish(Rank rank) override {
    if (rank == Rank(0)) files_->remove(place_.path);
  }

 private:
  void publish(std::span<const std::byte> id) {
    const std::optional<IdText> old = read();
    if (old && old->run == place_.run) {
      throw CommError(fmt::format(
          "'{}' holds the id of an earlier start of run '{}', which other ranks may have read: "
          "remove the file, and name each start anew",
          place_.path.string(), place_.run));
    }
    const std::string text = fmt::format("{}\n{}\n{}\n", kTitle, place_.run, to_hexadecimal(id));
    storage::write_file(*files_, place_.path, storage::bytes_of(text));
  }

  void look_for(std::span<std::byte> id, Rank rank) {
    const Deadline deadline = Deadline::in(place_.timeout);
    while (true) {
      const std::optional<IdText> found = read();
      if (found && found->run == place_.run && from_hexadecimal(found->id, id)) return;
      if (deadline.passed()) throw CommError(late_text(found, rank));
      std::this_thread::sleep_for(kLookEvery);
    }
  }

  [[nodiscard]] std::string late_text(const std::optional<IdText>& found, Rank rank) const {
    const std::string what = found ? fmt::format("'{}' is of run '{}', not of '{}'",
                                                 place_.path.string(), found->run, place_.run)
                                   : fmt::format("no '{}' has appeared", place_.path.string());
    return fmt::format(
        "world id: rank {} has waited for rank 0 longer than the limit of {} ms, and {}: rank 0 "
        "must "
        "run, see the same directory and name the same run",
        rank.value, place_.timeout.count(), what);
  }

  /// What stands there; nothing if nothing does or if it is no file of ours.
  [[nodiscard]] std::optional<IdText> read() {
    std::string text;
    try {
      text = storage::read_text(*files_, place_.path, kMaxBytes);
    } catch (const StorageError& error) {
      if (error.kind() == StorageError::Kind::missing) return std::nullopt;
      throw;
    }
    std::string_view rest = text;
    if (take_line(rest) != kTitle) return std::nullopt;
    IdText result;
    result.run = take_line(rest);
    result.id = take_line(rest);
    return result;
  }

  storage::FileSystem* files_;
  IdFile place_;
};

}  // namespace

std::unique_ptr<IdExchange> exchange_id_by_file(storage::FileSystem& files, IdFile place) {
  return std::make_unique<FileIdExchange>(files, std::move(place));
}

}  // namespace softmoe::parallel
