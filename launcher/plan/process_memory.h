#pragma once

#include <cstdint>
#include <string>

#include "runtime/device/workspace.h"

namespace softmoe::launcher {

/// Memory that this process holds at the moment (VmRSS), 0 where the system does not say.
[[nodiscard]] std::int64_t resident_bytes();
/// The most that it has held (VmHWM), 0 likewise.
[[nodiscard]] std::int64_t resident_peak_bytes();

/// What a run took, to hold against its plan: {"memory": {"saved_arena": ..., "scratch_arena": ...,
/// "resident_peak": ..., "shared": ...}}, in bytes. `shared` is the part that processes of the
/// machine share, which is MPI's.
[[nodiscard]] std::string memory_json(const Workspace& work);

}  // namespace softmoe::launcher
