#pragma once

#include "training/report/run_history.h"

namespace softmoe::training {

/// Takes events.jsonl into `history`.
/// @throws StorageError bad_format, naming file and line
void read_events(storage::FileSystem& files, const storage::Path& path, RunHistory& history);

/// Takes the changes of set-points from control.jsonl; words are passed over.
/// @throws StorageError bad_format, naming file and line
void read_set_points(storage::FileSystem& files, const storage::Path& path, RunHistory& history);

}  // namespace softmoe::training
