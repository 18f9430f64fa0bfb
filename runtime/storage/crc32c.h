#pragma once

// CRC32C, the checksum of iSCSI (Castagnoli polynomial 0x1EDC6F41, reflected): RFC 3720, appendix
// B.4. Finds every error burst up to 32 bits; it is no protection against an adversary.

#include <cstddef>
#include <cstdint>
#include <span>

namespace softmoe::storage {

/// The checksum of `bytes`, or of all bytes so far when it goes on from `previous`:
/// crc32c(b, crc32c(a)) is the checksum of a followed by b.
[[nodiscard]] std::uint32_t crc32c(std::span<const std::byte> bytes, std::uint32_t previous = 0);

/// The checksum of A followed by B, from the checksums of both and the length of B: so the chunks
/// of a tensor also give the checksum of the tensor.
[[nodiscard]] std::uint32_t crc32c_of_joined(std::uint32_t crc_a, std::uint32_t crc_b,
                                             std::uint64_t bytes_b);

/// The same function as crc32c(), by tables alone; what runs on processors without the
/// instruction, and what the instruction is tested against.
[[nodiscard]] std::uint32_t crc32c_by_table(std::span<const std::byte> bytes,
                                            std::uint32_t previous = 0);

}  // namespace softmoe::storage
