#pragma once

// Tokens for a test to train on.

#include <cstdint>
#include <span>
#include <vector>

#include "model/model_config.h"
#include "runtime/storage/file_system.h"
#include "training/data/token_source.h"

namespace softmoe::test {

/// Tokens of which three in four follow from the one before.
[[nodiscard]] std::vector<std::int32_t> chained_tokens(std::int64_t count, int vocabulary);

/// Writes a token file and opens it for a model.
[[nodiscard]] training::TokenSource write_and_open(storage::FileSystem& files,
                                                   const storage::Path& path,
                                                   const model::ModelConfig& model,
                                                   std::span<const std::int32_t> tokens);

}  // namespace softmoe::test
