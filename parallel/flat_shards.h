#pragma once

// Ownership of a flat space of numbers: every element has one owner in the group (ZeRO-1,
// Rajbhandari et al., arXiv 1910.02054, sec. 5.1).

#include <cstdint>
#include <vector>

#include "parallel/communicator.h"
#include "runtime/device/arena.h"

namespace softmoe::parallel {

/// A flat space of `elements` numbers cut into one range per rank, equal but for the last ones.
/// Its operations allocate nothing on the heap. Used by one thread.
class FlatShards {
 public:
  struct Range {
    std::int64_t begin = 0;
    std::int64_t end = 0;
    [[nodiscard]] std::int64_t size() const { return end - begin; }
  };

  /// @param communicator the owners; must outlive this.
  FlatShards(std::int64_t elements, Communicator& communicator);

  [[nodiscard]] std::int64_t elements() const { return elements_; }
  [[nodiscard]] Range range_of(Rank rank) const;
  [[nodiscard]] Range owned() const { return range_of(communicator_->rank()); }

  /// Bytes that this rank sends to others in one call.
  struct BytesSent {
    std::int64_t reduce_scatter = 0;  ///< what the others own, once
    std::int64_t all_gather = 0;      ///< what it owns itself, to each of the others
  };
  [[nodiscard]] BytesSent bytes_sent(DType dtype) const;

  /// The owned range of `flat` := the sum over ranks in rank order; the rest of `flat` is left as
  /// it is.
  /// @param flat     f32, f64 or i64 [elements]
  /// @param scratch  pieces of the peers; released before return
  void reduce_scatter(TensorView flat, Arena& scratch, Stream& stream) const;
  /// Every rank's owned range of `flat` on every rank.
  void all_gather(TensorView flat, Stream& stream) const;
  /// Elements of the peers' pieces that reduce_scatter() holds in scratch.
  [[nodiscard]] std::int64_t elements_of_peers() const {
    return (communicator_->size() - 1) * owned().size();
  }

 private:
  /// Sends every rank its range of `flat` and receives the peers' numbers for the own range, into
  /// `pieces` by rising rank.
  void exchange_ranges(const TensorView& flat, const TensorView& pieces, Stream& stream) const;

  std::int64_t elements_;
  Communicator* communicator_;
  // Of the exchange that is being called; kept for their memory alone.
  mutable std::vector<SendMessage> sends_;
  mutable std::vector<ReceiveMessage> receives_;
};

}  // namespace softmoe::parallel
