#pragma once

#include <string>
#include <string_view>

#include "tokenizer/protocol.h"

namespace softmoe::tokenizer {

/// What a tokenizer is trained to. The pieces come in this order: `<unk>` (id 0, never produced),
/// `</s>` (id 1, the end of a document), the 256 bytes `<0x00>` to `<0xFF>`, then what was learnt.
struct TrainingOptions {
  int vocab_size = 4096;
  /// Share of the characters of the text that get a piece of their own; the rarest rest is spelt in
  /// bytes. Printable ASCII always has its pieces.
  double character_coverage = 0.9995;
};

/// Learns byte-pair merges (Sennrich et al., arXiv 1508.07909) by sentencepiece, with byte fallback
/// (an unseen character is spelt in bytes) and without any normalisation, so that decoding gives
/// the text back exactly. Pieces never hold a line break, a tab or another control character, and a
/// space only at their front.
///
/// Deterministic: one thread, nothing sampled; equal text and options give equal bytes.
///
/// @param text  UTF-8.
/// @return the content of a sentencepiece model file; it names no paths.
/// @throws Failure (usage) for options out of range; (bad_data) if the text is not UTF-8 or too
///         small for the vocabulary, with the largest that it allows.
[[nodiscard]] std::string train(std::string_view text, const TrainingOptions& options);

}  // namespace softmoe::tokenizer
