#include "training/data/token_stream.h"

#include <fmt/format.h>

#include <algorithm>

namespace softmoe::training {
namespace {

/// Whether `name` is `pattern`, a star standing for any characters.
bool matches(std::string_view name, std::string_view pattern) {
  std::size_t n = 0;
  std::size_t p = 0;
  std::size_t after_star = std::string_view::npos;
  std::size_t resume = 0;
  while (n < name.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      after_star = ++p;
      resume = n;
    } else if (p < pattern.size() && pattern[p] == name[n]) {
      ++p;
      ++n;
    } else if (after_star != std::string_view::npos) {
      // Let the last star swallow one character more.
      p = after_star;
      n = ++resume;
    } else {
      return false;
    }
  }
  return std::all_of(pattern.begin() + p, pattern.end(), [](char c) { return c == '*'; });
}

}  // namespace

TokenStream::TokenStream(storage::FileSystem& files, const std::vector<storage::Path>& shards,
                         TokenFormat format) {
  require(!shards.empty(), "a token stream needs at least one shard");
  begins_.push_back(0);
  for (const storage::Path& path : shards) {
    shards_.emplace_back(files, path, format);
    begins_.push_back(begins_.back() + shards_.back().num_tokens());
  }
}

void TokenStream::tokens(std::int64_t begin, std::span<std::int32_t> out) const {
  if (begin < 0 || begin > num_tokens() || std::ssize(out) > num_tokens() - begin) {
    throw InvalidArgument(fmt::format("cannot read {} tokens from token {} of a stream of {}",
                                      out.size(), begin, num_tokens()));
  }
  auto shard = std::upper_bound(begins_.begin(), begins_.end() - 1, begin) - begins_.begin() - 1;
  for (; !out.empty(); ++shard) {
    const std::int64_t within = begin - begins_[shard];
    const std::int64_t count =
        std::min<std::int64_t>(std::ssize(out), shards_[shard].num_tokens() - within);
    shards_[shard].tokens(within, out.first(count));
    begin += count;
    out = out.subspan(count);
  }
}

void TokenStream::check_vocabulary(std::int64_t vocab_size) const {
  for (const TokenFile& shard : shards_) shard.check_vocabulary(vocab_size);
}

std::vector<storage::Path> find_shards(storage::FileSystem& files, const storage::Path& pattern) {
  const std::string name_pattern = pattern.filename().string();
  if (name_pattern.find('*') == std::string::npos && files.exists(pattern)) return {pattern};
  const storage::Path folder = storage::directory_of(pattern);
  std::vector<storage::Path> shards;
  for (const std::string& name : files.list(folder)) {
    if (matches(name, name_pattern)) shards.push_back(folder / name);
  }
  if (shards.empty()) {
    throw StorageError(StorageError::Kind::missing,
                       fmt::format("no file in '{}' is called '{}' (build the data first, or "
                                   "correct the path)",
                                   folder.string(), name_pattern));
  }
  return shards;
}

}  // namespace softmoe::training
