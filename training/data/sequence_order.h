#pragma once

#include <cstdint>

namespace softmoe::training {

/// The order in which a run reads the sequences of its data: every epoch is a permutation of all of
/// them, drawn anew.
///
/// Nothing is stored. The permutation is a pure function of (seed, epoch): a Feistel network whose
/// round function is Philox, on the next even power of two, walked until it lands inside [0, n)
/// (Black and Rogaway, "Ciphers with Arbitrary Finite Domains", CT-RSA 2002). So the state of the
/// data is one integer, the number of sequences read, and any rank of any world computes any entry.
class SequenceOrder {
 public:
  /// @param num_sequences  n, in [1, 2^62].
  SequenceOrder(std::int64_t num_sequences, std::uint64_t seed);

  /// The sequence in [0, n) that is read as number `global_index` of the run, counted from 0 over
  /// all ranks, lanes and epochs.
  /// @throws InvalidArgument if `global_index` is negative or its epoch is not below 2^32.
  [[nodiscard]] std::int64_t sequence_at(std::int64_t global_index) const;

  /// How many times all sequences were read before number `global_index`.
  [[nodiscard]] std::int64_t epoch_of(std::int64_t global_index) const {
    return global_index / num_sequences_;
  }
  [[nodiscard]] std::int64_t num_sequences() const { return num_sequences_; }

 private:
  [[nodiscard]] std::uint64_t encrypt(std::uint64_t block, std::uint32_t epoch) const;

  std::int64_t num_sequences_;
  std::uint64_t seed_;
  int half_bits_ = 1;  ///< the network permutes [0, 4^half_bits_)
};

}  // namespace softmoe::training
