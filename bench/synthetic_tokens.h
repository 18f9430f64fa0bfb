#pragma once

#include "launcher/run/run_config.h"
#include "training/data/token_source.h"

namespace softmoe::bench {

/// Independent tokens whose frequencies fall as 1 / (rank + 1), like those of words, in a file that
/// has no name any more: nothing is left of it when the process ends. The same on every rank.
/// @throws StorageError if the system's folder for temporary files cannot be written
[[nodiscard]] training::TokenSource synthetic_tokens(const launcher::RunConfig& config);

}  // namespace softmoe::bench
