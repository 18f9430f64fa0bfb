#include "training/data/token_source.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace softmoe::training {

TokenSource::TokenSource(TokenStream stream, std::int64_t sequence_length, std::int64_t vocab_size)
    : stream_(std::move(stream)), sequence_length_(sequence_length), vocab_size_(vocab_size) {
  if (sequence_length < 1 || vocab_size < 1) {
    throw InvalidArgument(
        fmt::format("sequences of {} tokens from a vocabulary of {} cannot be "
                    "read: both must be positive",
                    sequence_length, vocab_size));
  }
  num_sequences_ = std::max<std::int64_t>(0, stream_.num_tokens() - 1) / sequence_length;
  if (num_sequences_ == 0) {
    throw StorageError(StorageError::Kind::bad_format,
                       fmt::format("the data have {} tokens in {} files, and a single sequence of "
                                   "{} takes {} (give more data, or shorten the sequences)",
                                   stream_.num_tokens(), stream_.num_shards(), sequence_length,
                                   sequence_length + 1));
  }
}

void TokenSource::read(std::int64_t sequence, std::span<std::int32_t> tokens_S1) const {
  if (sequence < 0 || sequence >= num_sequences_) {
    throw InvalidArgument(fmt::format("cannot read sequence {}: the data have {} of {} tokens",
                                      sequence, num_sequences_, sequence_length_));
  }
  if (std::ssize(tokens_S1) != sequence_length_ + 1) {
    throw InvalidArgument(
        fmt::format("cannot read a sequence of {} tokens and its last target into "
                    "room for {}",
                    sequence_length_, tokens_S1.size()));
  }
  stream_.tokens(sequence * sequence_length_, tokens_S1);
  const auto largest = std::max_element(tokens_S1.begin(), tokens_S1.end());
  // The slow check names the shard and the place in it.
  if (*largest >= vocab_size_) check_vocabulary();
}

}  // namespace softmoe::training
