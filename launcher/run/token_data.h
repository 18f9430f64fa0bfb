#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "runtime/storage/file_system.h"
#include "training/corpus/corpus_info.h"
#include "training/corpus/piece_table.h"
#include "training/data/token_source.h"
#include "training/data_config.h"

namespace softmoe::launcher {

/// The tokens that a run reads, and what turns them into text if that is known.
struct TokenData {
  training::TokenSource train;
  training::TokenSource validation;
  std::optional<training::CorpusInfo> corpus;
  std::optional<training::PieceTable> pieces;
};

/// The text of token ids. A model may have more ids than its corpus has pieces; such an id, which
/// only a model that has learnt little draws, reads as the replacement character.
[[nodiscard]] std::string text_of(const training::PieceTable& pieces,
                                  std::span<const std::int32_t> ids);

/// Opens what section `data` names.
/// @param positions  S
/// @param vocabulary of the model
/// @throws StorageError or ConfigError with the cure: missing, foreign or cut files; a corpus with
/// more
///         pieces than the model's vocabulary
[[nodiscard]] TokenData open_token_data(storage::FileSystem& files,
                                        const training::DataConfig& config, int positions,
                                        int vocabulary);

}  // namespace softmoe::launcher
