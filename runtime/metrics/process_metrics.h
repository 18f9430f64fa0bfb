#pragma once

#include "runtime/metrics/registry.h"

namespace softmoe::metrics {

/// The standard families of a process, looked up from /proc when a page is made:
/// process_resident_memory_bytes, process_virtual_memory_bytes, process_cpu_seconds_total,
/// process_open_fds, process_max_fds, process_start_time_seconds, process_threads.
/// @param registry  outlives its use
void add_process_metrics(Registry& registry);

}  // namespace softmoe::metrics
