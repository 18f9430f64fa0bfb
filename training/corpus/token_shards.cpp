#include "training/corpus/token_shards.h"

#include <fmt/format.h>

#include <algorithm>

namespace softmoe::training {

TokenShardWriter::TokenShardWriter(storage::FileSystem& files, storage::Path folder,
                                   ShardLayout layout)
    : files_(files), folder_(std::move(folder)), layout_(std::move(layout)) {
  if (layout_.shard_tokens < 1 || layout_.shard_tokens > kMaxShardTokens) {
    throw InvalidArgument(fmt::format("cannot write shards of {} tokens: a file holds 1 to {}",
                                      layout_.shard_tokens, kMaxShardTokens));
  }
}

void TokenShardWriter::append(std::span<const std::int32_t> ids) {
  while (!ids.empty()) {
    if (!shard_) open_shard();
    const std::int64_t room = layout_.shard_tokens - shard_->num_tokens();
    const auto count = static_cast<std::size_t>(std::min(room, std::ssize(ids)));
    shard_->append(ids.first(count));
    tokens_ += static_cast<std::int64_t>(count);
    ids = ids.subspan(count);
    if (shard_->num_tokens() == layout_.shard_tokens) close_shard();
  }
}

std::vector<std::string> TokenShardWriter::finish() {
  if (shard_) close_shard();
  return names_;
}

void TokenShardWriter::open_shard() {
  names_.push_back(fmt::format("{}_{:06}.bin", layout_.prefix, names_.size()));
  shard_.emplace(files_, folder_ / names_.back(), TokenFormat::llmc, layout_.vocab_size);
}

void TokenShardWriter::close_shard() {
  shard_->finish();
  shard_.reset();
}

}  // namespace softmoe::training
