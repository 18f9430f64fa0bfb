#pragma once

// What `softmoe-tokenizer encode` and its caller say to each other over the program's standard
// input and output. Both sides include this header; it pulls in no library. All integers are
// unsigned, 32 bits unless said otherwise, little-endian.
//
//   the program greets    "SMTK" | version | vocabulary size | end-of-document id | fingerprint
//   (64) the caller sends      length in bytes | the document, that many bytes ...repeated the
//   program answers   number of ids | the ids                                 ...once a document
//
// - The greeting comes first, unasked. Then every document is answered, in order, before the next
// is
//   read, so a caller that waits for each answer cannot deadlock, and one that sends ahead must
//   read while it writes.
// - The end-of-document id is never in an answer: whoever joins documents appends it.
// - The caller ends by closing its side between two documents; the program then exits with 0.
//   On an error it writes one line to standard error and exits with a code of `ExitCode`.
// - Any bytes are a document. What is not UTF-8 becomes byte pieces, so decoding gives it back.

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace softmoe::tokenizer {

inline constexpr std::string_view kMagic = "SMTK";
inline constexpr std::uint32_t kProtocolVersion = 1;
/// A longer document is refused: it would need several times its size in memory.
inline constexpr std::uint32_t kMaxDocumentBytes = 1U << 28;
inline constexpr std::size_t kGreetingBytes = 24;
/// The least vocabulary: two special pieces, 256 bytes, the space and printable ASCII.
inline constexpr int kMinVocabSize = 2 + 256 + 95;
inline constexpr int kMaxVocabSize = 1 << 20;

/// How the program ends. 64 to 74 are those of sysexits.h.
enum class ExitCode : int {
  done = 0,
  usage = 64,          ///< the command line cannot be understood
  bad_data = 65,       ///< the text, the model or the stream is not what it should be
  missing_input = 66,  ///< a file to read is not there
  internal = 70,       ///< a bug
  cannot_write = 73,   ///< the output cannot be created or written
};

/// The first thing the program says.
struct Greeting {
  std::uint32_t vocab_size = 0;
  std::uint32_t end_of_document = 0;
  std::uint64_t fingerprint = 0;  ///< of the bytes of the model file, see fingerprint.h
};

inline void put_u32(std::string& to, std::uint32_t value) {
  for (int shift = 0; shift < 32; shift += 8) to.push_back(static_cast<char>(value >> shift));
}

/// @param bytes  at least 4.
[[nodiscard]] inline std::uint32_t get_u32(std::string_view bytes) {
  std::uint32_t value = 0;
  for (std::size_t i = 4; i-- > 0;) value = value << 8 | static_cast<unsigned char>(bytes[i]);
  return value;
}

[[nodiscard]] inline std::string encode_greeting(const Greeting& greeting) {
  std::string bytes(kMagic);
  put_u32(bytes, kProtocolVersion);
  put_u32(bytes, greeting.vocab_size);
  put_u32(bytes, greeting.end_of_document);
  put_u32(bytes, static_cast<std::uint32_t>(greeting.fingerprint));
  put_u32(bytes, static_cast<std::uint32_t>(greeting.fingerprint >> 32));
  return bytes;
}

/// @return nothing if `bytes` is not a greeting of this version.
[[nodiscard]] inline std::optional<Greeting> decode_greeting(std::string_view bytes) {
  if (bytes.size() != kGreetingBytes || !bytes.starts_with(kMagic)) return std::nullopt;
  if (get_u32(bytes.substr(4)) != kProtocolVersion) return std::nullopt;
  return Greeting{.vocab_size = get_u32(bytes.substr(8)),
                  .end_of_document = get_u32(bytes.substr(12)),
                  .fingerprint = get_u32(bytes.substr(16)) |
                                 static_cast<std::uint64_t>(get_u32(bytes.substr(20))) << 32};
}

}  // namespace softmoe::tokenizer
