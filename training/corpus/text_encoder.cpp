#include "training/corpus/text_encoder.h"

#include "training/corpus/piece_table.h"

namespace softmoe::training {

std::vector<std::int32_t> ByteEncoder::encode(std::string_view text) {
  std::vector<std::int32_t> ids;
  ids.reserve(text.size());
  for (const char c : text) ids.push_back(static_cast<unsigned char>(c));
  return ids;
}

std::string ByteEncoder::hash() const {
  return PieceTable::bytes().hash();
}

}  // namespace softmoe::training
