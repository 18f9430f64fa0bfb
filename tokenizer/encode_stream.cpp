#include "tokenizer/encode_stream.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "tokenizer/failure.h"

namespace softmoe::tokenizer {
namespace {

/// @return how many of the bytes came before the input ended.
std::size_t read_up_to(int input, char* bytes, std::size_t count) {
  std::size_t have = 0;
  while (have < count) {
    const ssize_t got = ::read(input, bytes + have, count - have);
    if (got == 0) break;
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      throw Failure(ExitCode::bad_data,
                    fmt::format("cannot read documents: {}", std::strerror(errno)));
    }
    have += static_cast<std::size_t>(got);
  }
  return have;
}

void write_all(int output, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t put = ::write(output, bytes.data(), bytes.size());
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) {
      throw Failure(ExitCode::cannot_write,
                    fmt::format("cannot write ids: {}", std::strerror(errno)));
    }
    bytes.remove_prefix(static_cast<std::size_t>(put));
  }
}

/// @return false at the end of the input.
bool read_document(int input, std::int64_t number, std::string& document) {
  char length_bytes[4];
  const std::size_t got = read_up_to(input, length_bytes, sizeof length_bytes);
  if (got == 0) return false;
  if (got < sizeof length_bytes) {
    throw Failure(ExitCode::bad_data,
                  fmt::format("the input ends inside the length of document {}", number));
  }
  const std::uint32_t length = get_u32({length_bytes, sizeof length_bytes});
  if (length > kMaxDocumentBytes) {
    throw Failure(ExitCode::bad_data,
                  fmt::format("document {} has {} bytes, at most {} are taken; split it", number,
                              length, kMaxDocumentBytes));
  }
  document.resize(length);
  const std::size_t have = read_up_to(input, document.data(), length);
  if (have < length) {
    throw Failure(ExitCode::bad_data,
                  fmt::format("the input ends after {} of the {} bytes of document {}", have,
                              length, number));
  }
  return true;
}

}  // namespace

void encode_stream(Model& model, int input, int output) {
  write_all(output,
            encode_greeting({.vocab_size = static_cast<std::uint32_t>(model.vocab_size()),
                             .end_of_document = static_cast<std::uint32_t>(model.end_of_document()),
                             .fingerprint = model.fingerprint()}));
  std::string document;
  std::string answer;
  for (std::int64_t number = 0; read_document(input, number, document); ++number) {
    const std::vector<std::int32_t> ids = model.encode(document);
    answer.clear();
    answer.reserve(4 * (ids.size() + 1));
    put_u32(answer, static_cast<std::uint32_t>(ids.size()));
    for (const std::int32_t id : ids) put_u32(answer, static_cast<std::uint32_t>(id));
    write_all(output, answer);
  }
}

}  // namespace softmoe::tokenizer
