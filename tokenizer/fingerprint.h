#pragma once

#include <cstdint>
#include <string_view>

namespace softmoe::tokenizer {

/// FNV-1a over the bytes of `text`, 64 bits: tells one tokenizer from another by accident-proof
/// means, not by tamper-proof ones. Equal bytes give equal values on every machine.
[[nodiscard]] constexpr std::uint64_t fingerprint(std::string_view text) {
  std::uint64_t hash = 0xcbf29ce484222325ULL;
  for (const char c : text) {
    hash ^= static_cast<unsigned char>(c);
    hash *= 0x100000001b3ULL;
  }
  return hash;
}

}  // namespace softmoe::tokenizer
