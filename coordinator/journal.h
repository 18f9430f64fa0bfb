#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "coordinator/journal_entry.h"
#include "coordinator/journal_lock.h"
#include "runtime/storage/file_system.h"

namespace softmoe::coordinator {

/// What a coordinator must not forget: an append-only file of lines,
///
///     {"crc32c":"0123abcd","entry":{...}}
///
/// where the checksum is that of the entry's text, going on from the checksum of the line before:
/// a line that is missing, moved or doubled is found like a flipped bit. The first entry is the
/// header.
///
/// append() returns when the line would survive a loss of power. What a crash can leave behind is a
/// last line that is not whole: without its end, or with sectors that were never written and read
/// as zeros. That line was promised to nobody and is cut off. Anything else that is wrong is
/// damage, and is refused: nothing is ever guessed.
///
/// Size: about 700 bytes for a change and 16 L more with lists per layer, 400 for a digest every
/// `digest_every` records, so 4 MB for a million steps; alarms of a kind at most once a minute. It
/// is never compacted.
///
/// The file is `journal.jsonl` in the folder; `journal.lock` beside it makes the owner the only
/// one. One thread at a time.
class Journal {
 public:
  /// Makes the folder if it is missing, and becomes the owner.
  /// @param files  outlives this object
  /// @throws StorageError cannot_write, naming the owner, if another process has the folder
  Journal(storage::FileSystem& files, storage::Path folder);

  /// Reads what is there, cuts off a torn last line, and begins a new journal where there is none.
  /// To be called once, before append().
  /// @return the entries behind the header
  /// @throws StorageError bad_format, naming file, line and cure, if the journal is damaged, or of
  ///         another run, configuration or format; others as the disk says
  [[nodiscard]] std::vector<JournalEntry> recover(const RunIdentity& run);

  /// Writes an entry down. After a failure the journal is as before: what the failed call left in
  /// the file is removed at once, or, if the disk does not let us, before the next entry. Only if
  /// the process ends in between may the entry be found afterwards.
  /// @throws StorageError; InvalidArgument if the entry would not come back as it is
  void append(const JournalEntry& entry);

  /// Bytes cut off by recover().
  [[nodiscard]] std::int64_t torn_bytes() const { return torn_bytes_; }
  [[nodiscard]] const storage::Path& path() const { return path_; }

 private:
  void begin(const RunIdentity& run);
  void require_same_run(const HeaderEntry& header, const RunIdentity& run) const;
  void rewrite(std::string_view text);
  void repair();

  storage::FileSystem& files_;
  storage::Path path_;
  JournalLock lock_;
  std::unique_ptr<storage::WritableFile> file_;  ///< null while the file may hold a failed line
  std::int64_t good_bytes_ = 0;                  ///< of whole lines
  std::uint32_t checksum_ = 0;                   ///< of the last line
  std::int64_t torn_bytes_ = 0;
};

}  // namespace softmoe::coordinator
