#pragma once

#include <cstdint>

namespace softmoe::launcher {

/// Memory that this process holds at the moment (VmRSS), 0 where the system does not say.
[[nodiscard]] std::int64_t resident_bytes();
/// The most that it has held (VmHWM), 0 likewise.
[[nodiscard]] std::int64_t resident_peak_bytes();

/// The part of it that are pages of files (RssFile): program, libraries, tokens. 0 likewise.
[[nodiscard]] std::int64_t file_page_bytes();

/// The part of it that processes of the machine share (RssShmem), which is MPI's, 0 likewise.
[[nodiscard]] std::int64_t shared_bytes();

}  // namespace softmoe::launcher
