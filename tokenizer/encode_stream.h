#pragma once

#include "tokenizer/model.h"

namespace softmoe::tokenizer {

/// Answers documents until the input ends, as protocol.h lays down.
///
/// @param input, output  file descriptors, blocking; both stay open.
/// @throws Failure (bad_data) if the input ends inside a document or one is too long;
/// (cannot_write)
///         if the reader has gone.
void encode_stream(Model& model, int input, int output);

}  // namespace softmoe::tokenizer
