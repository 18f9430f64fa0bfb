#include "training/data/token_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <limits>

namespace softmoe::training {
namespace {

static_assert(std::endian::native == std::endian::little,
              "tokens are read as they lie in the file, and the formats are little-endian");

constexpr std::int32_t kMagic16 = 20240520;
constexpr std::int32_t kVersion16 = 1;
constexpr std::int32_t kMagic32 = 20240801;
constexpr std::int32_t kVersion32 = 7;
constexpr std::int32_t kEvaluationMagic = 20240522;

constexpr std::int64_t kHeaderBytes = 1024;
constexpr std::int64_t kMaxLlmcTokens = std::numeric_limits<std::int32_t>::max();
constexpr std::int64_t kMax16BitVocabulary = 65'536;

using Header = std::array<std::int32_t, 256>;

std::int64_t bytes_per_token_of(std::int64_t vocab_size) {
  return vocab_size <= kMax16BitVocabulary ? 2 : 4;
}

Header header_of(std::span<const std::byte> bytes) {
  Header header{};
  std::memcpy(header.data(), bytes.data(), sizeof(header));
  return header;
}

/// Whether the bytes are a whole file of llm.c, by all that its header says.
bool is_llmc_file(std::span<const std::byte> bytes) {
  if (std::ssize(bytes) < kHeaderBytes) return false;
  const Header header = header_of(bytes);
  const bool is_16 = header[0] == kMagic16 && header[1] == kVersion16;
  const bool is_32 = header[0] == kMagic32 && header[1] == kVersion32;
  return (is_16 || is_32) &&
         std::ssize(bytes) == kHeaderBytes + std::int64_t{header[2]} * (is_16 ? 2 : 4);
}

/// The token at `position` of tokens of type T, at any alignment.
template <class T>
T token_at(const std::byte* bytes, std::int64_t position) {
  T token = 0;
  std::memcpy(&token, bytes + position * static_cast<std::int64_t>(sizeof(T)), sizeof(T));
  return token;
}

/// The largest of the tokens; a loop without branches, so it runs at the speed of memory.
template <class T>
std::uint32_t largest_token(const std::byte* bytes, std::int64_t count) {
  T largest = 0;
  for (std::int64_t i = 0; i < count; ++i) largest = std::max(largest, token_at<T>(bytes, i));
  return largest;
}

std::uint32_t largest_token(const std::byte* bytes, std::int64_t count, std::int64_t width) {
  return width == 2 ? largest_token<std::uint16_t>(bytes, count)
                    : largest_token<std::uint32_t>(bytes, count);
}

}  // namespace

TokenFile::TokenFile(storage::FileSystem& files, const storage::Path& path, TokenFormat format)
    : path_(path.string()), mapping_(files.map(path)) {
  format == TokenFormat::llmc ? read_llmc_header() : read_nanogpt_size();
}

void TokenFile::refuse(const std::string& reason) const {
  throw StorageError(StorageError::Kind::bad_format,
                     fmt::format("cannot read tokens from '{}': {}", path_, reason));
}

void TokenFile::read_llmc_header() {
  const std::span<const std::byte> bytes = mapping_->bytes();
  const std::int64_t size = std::ssize(bytes);
  if (size < kHeaderBytes) {
    refuse(
        fmt::format("it has {} bytes, and the header of llm.c alone takes {} (copy or build it "
                    "again; if it is headerless u16, say format nanogpt)",
                    size, kHeaderBytes));
  }
  const Header header = header_of(bytes);
  if (header[0] == kEvaluationMagic) {
    refuse("it is an evaluation file of llm.c, not a stream of tokens (give a training shard)");
  }
  if (header[0] != kMagic16 && header[0] != kMagic32) {
    refuse(
        fmt::format("its magic number is {}, and llm.c has {} (16 bits) or {} (32 bits) (if it "
                    "is headerless u16, say format nanogpt)",
                    header[0], kMagic16, kMagic32));
  }
  const std::int32_t version = header[0] == kMagic16 ? kVersion16 : kVersion32;
  if (header[1] != version) {
    refuse(
        fmt::format("its version is {}, and {} is expected with magic number {} (build it again "
                    "with a current tool)",
                    header[1], version, header[0]));
  }
  data_begin_ = kHeaderBytes;
  bytes_per_token_ = header[0] == kMagic16 ? 2 : 4;
  num_tokens_ = header[2];
  const std::int64_t expected = kHeaderBytes + num_tokens_ * bytes_per_token_;
  if (num_tokens_ < 0 || size != expected) {
    refuse(
        fmt::format("its header promises {} tokens, which make {} bytes, but it has {} (cut "
                    "short or still being written: copy or build it again)",
                    num_tokens_, expected, size));
  }
}

void TokenFile::read_nanogpt_size() {
  const std::span<const std::byte> bytes = mapping_->bytes();
  if (is_llmc_file(bytes)) {
    refuse("it is a file of llm.c, whose header would be read as tokens (say format llmc)");
  }
  if (bytes.size() % 2 != 0) {
    refuse(
        fmt::format("it has {} bytes, an odd number, and its tokens take two each (cut short: "
                    "copy or build it again)",
                    bytes.size()));
  }
  num_tokens_ = std::ssize(bytes) / 2;
}

void TokenFile::tokens(std::int64_t begin, std::span<std::int32_t> out) const {
  const std::int64_t count = std::ssize(out);
  if (begin < 0 || begin > num_tokens_ || count > num_tokens_ - begin) {
    throw InvalidArgument(fmt::format("cannot read {} tokens from token {} of '{}': it has {}",
                                      count, begin, path_, num_tokens_));
  }
  const std::byte* const first = mapping_->bytes().data() + data_begin_ + begin * bytes_per_token_;
  if (bytes_per_token_ == 2) {
    for (std::int64_t i = 0; i < count; ++i) out[i] = token_at<std::uint16_t>(first, i);
    return;
  }
  if (count == 0) return;
  std::memcpy(out.data(), first, out.size_bytes());
  const auto negative = std::find_if(out.begin(), out.end(), [](std::int32_t t) { return t < 0; });
  if (negative != out.end()) {
    refuse(fmt::format("token {} is {}, and no vocabulary has so many (build it again)",
                       begin + (negative - out.begin()), static_cast<std::uint32_t>(*negative)));
  }
}

void TokenFile::check_vocabulary(std::int64_t vocab_size) const {
  // Blocks, so that the position is found without a second pass over the file.
  constexpr std::int64_t kBlockTokens = 1 << 16;
  for (std::int64_t begin = 0; begin < num_tokens_; begin += kBlockTokens) {
    const std::int64_t count = std::min(kBlockTokens, num_tokens_ - begin);
    const std::byte* const first =
        mapping_->bytes().data() + data_begin_ + begin * bytes_per_token_;
    if (largest_token(first, count, bytes_per_token_) < vocab_size) continue;
    std::int64_t i = 0;
    while (largest_token(first + i * bytes_per_token_, 1, bytes_per_token_) < vocab_size) ++i;
    refuse(fmt::format(
        "token {} is {}, and the vocabulary has {} (build the file with this run's "
        "tokenizer, or set the vocabulary to the file's)",
        begin + i, largest_token(first + i * bytes_per_token_, 1, bytes_per_token_), vocab_size));
  }
}

TokenFileWriter::TokenFileWriter(storage::FileSystem& files, const storage::Path& path,
                                 TokenFormat format, std::int64_t vocab_size)
    : file_(files, path), format_(format), vocab_size_(vocab_size) {
  const bool is_16_only = format == TokenFormat::nanogpt;
  const std::int64_t limit =
      is_16_only ? kMax16BitVocabulary : std::int64_t{std::numeric_limits<std::int32_t>::max()};
  if (vocab_size < 1 || vocab_size > limit) {
    throw InvalidArgument(
        fmt::format("cannot write tokens to '{}': a vocabulary of {} does not fit "
                    "the format, which takes 1 to {}{}",
                    path.string(), vocab_size, limit, is_16_only ? " (use format llmc)" : ""));
  }
  // The place of the header, filled in when the number of tokens is known.
  if (format == TokenFormat::llmc) pending_.resize(kHeaderBytes);
}

void TokenFileWriter::append(std::span<const std::int32_t> tokens) {
  if (format_ == TokenFormat::llmc && std::ssize(tokens) > kMaxLlmcTokens - num_tokens_) {
    throw InvalidArgument(
        fmt::format("cannot write {} more tokens to '{}': it has {}, and llm.c "
                    "allows {} in a file (begin another shard)",
                    tokens.size(), file_.path().string(), num_tokens_, kMaxLlmcTokens));
  }
  const auto width = static_cast<std::size_t>(bytes_per_token_of(vocab_size_));
  for (const std::int32_t token : tokens) {
    if (token < 0 || token >= vocab_size_) {
      throw InvalidArgument(
          fmt::format("cannot write token {} of '{}': it is {}, and the "
                      "vocabulary has {}",
                      num_tokens_, file_.path().string(), token, vocab_size_));
    }
    // Little-endian, so the two low bytes come first.
    const auto bytes = std::bit_cast<std::array<std::byte, 4>>(token);
    pending_.insert(pending_.end(), bytes.begin(), bytes.begin() + width);
    ++num_tokens_;
    if (pending_.size() >= (1U << 18)) flush();
  }
}

void TokenFileWriter::flush() {
  file_.append(pending_);
  pending_.clear();
}

void TokenFileWriter::finish() {
  flush();
  if (format_ == TokenFormat::llmc) {
    const bool is_16 = bytes_per_token_of(vocab_size_) == 2;
    Header header{};
    header[0] = is_16 ? kMagic16 : kMagic32;
    header[1] = is_16 ? kVersion16 : kVersion32;
    header[2] = static_cast<std::int32_t>(num_tokens_);
    file_.write_at(0, std::as_bytes(std::span(header)));
  }
  file_.commit();
}

}  // namespace softmoe::training
