#pragma once

#include "training/report/run_history.h"

namespace softmoe::training {

/// Takes metrics.jsonl into `history`.
/// @throws StorageError missing; bad_format, naming file and line
void read_metrics(storage::FileSystem& files, const storage::Path& path, RunHistory& history);

}  // namespace softmoe::training
