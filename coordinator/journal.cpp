#include "coordinator/journal.h"

#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <string_view>

#include "runtime/storage/atomic_file.h"
#include "runtime/storage/crc32c.h"

namespace softmoe::coordinator {
namespace {

constexpr std::int64_t kMaxBytes = std::int64_t{1} << 30;
constexpr std::string_view kOpening = R"({"crc32c":")";
constexpr std::string_view kMiddle = R"(","entry":)";
constexpr std::string_view kClosing = "}";
constexpr std::size_t kDigits = 8;

storage::Path made(storage::FileSystem& files, const storage::Path& folder) {
  files.make_directories(folder);
  return folder;
}

std::string line_of(std::string_view entry, std::uint32_t checksum) {
  return fmt::format("{}{:08x}{}{}{}\n", kOpening, checksum, kMiddle, entry, kClosing);
}

std::uint32_t checksum_of(std::string_view entry, std::uint32_t previous) {
  return storage::crc32c(storage::bytes_of(entry), previous);
}

/// The entry's text in a line without its end, or nothing if the line is not what line_of() makes
/// of it.
std::optional<std::string_view> entry_in(std::string_view line, std::uint32_t previous) {
  constexpr std::size_t kFrame = kOpening.size() + kDigits + kMiddle.size() + kClosing.size();
  if (line.size() < kFrame) return std::nullopt;
  const std::string_view entry = line.substr(kFrame - kClosing.size(), line.size() - kFrame);
  const std::string whole = line_of(entry, checksum_of(entry, previous));
  if (std::string_view(whole).substr(0, whole.size() - 1) != line) return std::nullopt;
  return entry;
}

[[noreturn]] void refuse(const storage::Path& path, std::int64_t line, const std::string& fault) {
  throw StorageError(
      StorageError::Kind::bad_format,
      fmt::format(
          "'{}' line {}: {}. Move the file away to go on without it: changes come back from "
          "rank 0, requests that it has not taken are lost",
          path.string(), line, fault));
}

/// The whole lines of a journal.
struct Lines {
  std::vector<JournalEntry> entries;
  std::int64_t good_bytes = 0;
  std::uint32_t checksum = 0;
};

/// Whether the text, which begins at byte `offset` of its file, has a disk sector of zeros.
bool has_unwritten_sector(std::string_view text, std::int64_t offset) {
  constexpr std::size_t kSectorBytes = 512;
  std::size_t room = kSectorBytes - static_cast<std::size_t>(offset) % kSectorBytes;
  while (!text.empty()) {
    const std::string_view sector = text.substr(0, room);
    if (sector.find_first_not_of('\0') == std::string_view::npos) return true;
    text.remove_prefix(sector.size());
    room = kSectorBytes;
  }
  return false;
}

/// Whether a crash can have left this at the end of the file: no end of the line, or zeros where
/// sectors were never written.
bool can_be_torn(std::string_view rest, std::int64_t offset) {
  const std::size_t end = rest.find('\n');
  if (end == std::string_view::npos) return true;
  return end + 1 == rest.size() && has_unwritten_sector(rest, offset);
}

Lines read_lines(std::string_view text, const storage::Path& path) {
  Lines lines;
  while (!text.empty()) {
    const auto number = static_cast<std::int64_t>(lines.entries.size()) + 1;
    const std::size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    const auto entry =
        end == std::string_view::npos ? std::nullopt : entry_in(line, lines.checksum);
    if (!entry) {
      if (can_be_torn(text, lines.good_bytes)) break;
      refuse(path, number, "the checksum is not that of the line and those before it");
    }
    try {
      lines.entries.push_back(decode(*entry));
    } catch (const InvalidArgument& error) {
      refuse(
          path, number,
          fmt::format("this is no entry that version {} knows: {}", kJournalVersion, error.what()));
    }
    lines.checksum = checksum_of(*entry, lines.checksum);
    lines.good_bytes += static_cast<std::int64_t>(line.size()) + 1;
    text.remove_prefix(line.size() + 1);
  }
  return lines;
}

std::int64_t unix_seconds_now() {
  return std::chrono::duration_cast<std::chrono::seconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

}  // namespace

Journal::Journal(storage::FileSystem& files, storage::Path folder)
    : files_(files), path_(made(files, folder) / "journal.jsonl"), lock_(folder / "journal.lock") {}

void Journal::require_same_run(const HeaderEntry& header, const RunIdentity& run) const {
  const auto differ = [&](const char* what, const auto& theirs, const auto& ours) {
    throw StorageError(StorageError::Kind::bad_format,
                       fmt::format("'{}' is the journal of {} '{}', and this is '{}'; give this "
                                   "run a folder of its own",
                                   path_.string(), what, theirs, ours));
  };
  if (header.version != kJournalVersion) differ("format", header.version, kJournalVersion);
  if (header.run.run_id != run.run_id) differ("run", header.run.run_id, run.run_id);
  if (header.run.config_hash != run.config_hash) {
    differ("configuration", header.run.config_hash, run.config_hash);
  }
}

std::vector<JournalEntry> Journal::recover(const RunIdentity& run) {
  const std::string text =
      files_.exists(path_) ? storage::read_text(files_, path_, kMaxBytes) : std::string();
  Lines lines = read_lines(text, path_);
  torn_bytes_ = static_cast<std::int64_t>(text.size()) - lines.good_bytes;
  if (lines.entries.empty()) {
    begin(run);
    return {};
  }
  const auto* const header = std::get_if<HeaderEntry>(&lines.entries.front());
  if (header == nullptr) refuse(path_, 1, "the first entry is not that of a journal");
  require_same_run(*header, run);
  good_bytes_ = lines.good_bytes;
  checksum_ = lines.checksum;
  if (torn_bytes_ > 0) {
    rewrite(std::string_view(text).substr(0, static_cast<std::size_t>(good_bytes_)));
  } else {
    file_ = files_.open_to_append(path_);
  }
  lines.entries.erase(lines.entries.begin());
  return lines.entries;
}

void Journal::begin(const RunIdentity& run) {
  rewrite("");
  append(HeaderEntry{.run = run, .unix_seconds = unix_seconds_now()});
}

void Journal::rewrite(std::string_view text) {
  file_.reset();
  // A new file: after a failed sync the system may take pages of the old one for written.
  storage::write_file(files_, path_, storage::bytes_of(text));
  file_ = files_.open_to_append(path_);
}

void Journal::repair() {
  std::string text = storage::read_text(files_, path_, kMaxBytes);
  text.resize(static_cast<std::size_t>(good_bytes_));
  if (read_lines(text, path_).checksum != checksum_) {
    refuse(path_, 1, "the file was changed by somebody else");
  }
  rewrite(text);
}

void Journal::append(const JournalEntry& entry) {
  const std::string text = encode(entry);
  if (encode(decode(text)) != text) {
    throw InvalidArgument("an entry of the journal would not come back as it is: " + text);
  }
  if (file_ == nullptr) repair();
  const std::uint32_t checksum = checksum_of(text, checksum_);
  const std::string line = line_of(text, checksum);
  try {
    file_->append(storage::bytes_of(line));
    file_->sync();
  } catch (const StorageError&) {
    file_.reset();
    try {
      repair();
    } catch (const StorageError&) {
      // The next entry tries again; the first failure is the one to report.
    }
    throw;
  }
  checksum_ = checksum;
  good_bytes_ += static_cast<std::int64_t>(line.size());
}

}  // namespace softmoe::coordinator
