#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace softmoe::training {

/// Turns text into token ids; PieceTable turns them back, exactly.
class TextEncoder {
 public:
  virtual ~TextEncoder() = default;

  /// The ids of `text` without an end of document. Any bytes are a text; the empty one has no ids.
  [[nodiscard]] virtual std::vector<std::int32_t> encode(std::string_view text) = 0;
  /// PieceTable::hash() of the table that decodes these ids.
  [[nodiscard]] virtual std::string hash() const = 0;
};

/// A byte is its own id.
class ByteEncoder final : public TextEncoder {
 public:
  [[nodiscard]] std::vector<std::int32_t> encode(std::string_view text) override;
  [[nodiscard]] std::string hash() const override;
};

}  // namespace softmoe::training
