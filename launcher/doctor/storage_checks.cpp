#include "launcher/doctor/storage_checks.h"

#include <fmt/format.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>

#include "launcher/plan/fitting.h"
#include "runtime/base/errors.h"
#include "runtime/storage/posix_file_system.h"

namespace softmoe::launcher {

namespace {

constexpr std::int64_t kProbeBytes = 1 << 20;
constexpr double kSlowSync = 0.5;

storage::Path nearest_existing(storage::FileSystem& files, const storage::Path& folder) {
  storage::Path place = std::filesystem::absolute(folder).lexically_normal();
  while (!files.exists(place) && place.has_relative_path()) place = place.parent_path();
  return place;
}

double seconds_to_write(storage::FileSystem& files, const storage::Path& path) {
  const std::vector<std::byte> content(kProbeBytes);
  const auto begin = std::chrono::steady_clock::now();
  const auto file = files.create(path);
  if (!file) {
    throw StorageError(StorageError::Kind::cannot_write,
                       fmt::format("'{}' is there already", path.string()));
  }
  file->append(content);
  file->sync();
  file->close();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

template <class Action>
std::string fault_of(Action&& action) {
  try {
    action();
    return "";
  } catch (const StorageError& error) {
    return error.what();
  }
}

}  // namespace

StorageFacts probe_storage(const std::string& folder) {
  storage::PosixFileSystem files;
  const storage::Path place = nearest_existing(files, folder);
  const storage::Path first = place / fmt::format(".softmoe-doctor-{}", ::getpid());
  const storage::Path second = first.string() + ".renamed";
  StorageFacts facts{.folder = place.string()};
  facts.write_fault = fault_of([&] { facts.sync_seconds = seconds_to_write(files, first); });
  if (facts.write_fault.empty()) {
    facts.rename_fault = fault_of([&] {
      files.create(second)->close();
      files.rename(first, second);
      files.sync_directory(place);
    });
  }
  (void)fault_of([&] { files.remove(first); });
  (void)fault_of([&] { files.remove(second); });
  struct statvfs space = {};
  if (::statvfs(place.c_str(), &space) == 0) {
    facts.free_bytes = static_cast<std::int64_t>(space.f_bavail * space.f_frsize);
  }
  return facts;
}

Findings check_storage(const StorageFacts& facts) {
  if (!facts.write_fault.empty()) {
    return {{Verdict::fail, "run folder", facts.write_fault,
             "give another with --folder and run.folder, or make this one writable"}};
  }
  Findings findings;
  const bool is_slow = facts.sync_seconds > kSlowSync;
  findings.push_back({is_slow ? Verdict::warn : Verdict::ok, "run folder",
                      fmt::format("{}: 1 MiB written and durable in {:.1f} ms", facts.folder,
                                  facts.sync_seconds * 1e3),
                      is_slow ? "every save waits for this: put run.folder on a faster disk" : ""});
  findings.push_back(
      {facts.rename_fault.empty() ? Verdict::ok : Verdict::fail, "atomic rename",
       facts.rename_fault.empty() ? "a file replaces another in one step" : facts.rename_fault,
       facts.rename_fault.empty()
           ? ""
           : "models are saved this way: put run.folder on a POSIX file system"});
  constexpr std::int64_t kLittle = std::int64_t{1} << 30;
  const bool is_full = facts.free_bytes < kLittle;
  findings.push_back({is_full ? Verdict::warn : Verdict::ok, "free space",
                      bytes_text(static_cast<double>(facts.free_bytes)),
                      is_full ? "see how large a model is: softmoe plan; make room" : ""});
  return findings;
}

}  // namespace softmoe::launcher
