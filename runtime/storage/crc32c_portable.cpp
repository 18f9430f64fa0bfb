// crc32c() where the build has no instruction for it.

#include "runtime/storage/crc32c.h"

namespace softmoe::storage {

std::uint32_t crc32c(std::span<const std::byte> bytes, std::uint32_t previous) {
  return crc32c_by_table(bytes, previous);
}

}  // namespace softmoe::storage
