#pragma once

// Arenas on paper: what a pass would take, counted without memory. Functions that push are
// templates over Arena and ArenaMeasure where both run them, so that a plan counts what a step
// pushes.

#include <cstdint>
#include <vector>

#include "runtime/device/arena.h"

namespace softmoe {

/// Counts pushes and pops as an Arena does. What it gives has a size and no memory: nobody may look
/// behind it.
class ArenaMeasure {
 public:
  using Mark = Arena::Mark;
  /// What room is for: the step's own work, or rows and gradients on their way between ranks.
  enum class Purpose : std::uint8_t { work, exchange };

  template <class T>
  View<T> push(std::int64_t count) {
    take(count * static_cast<std::int64_t>(sizeof(T)), 1.0, purpose_);
    return {nullptr, count};
  }
  TensorView push(DType dtype, Shape shape) {
    take(shape.elements() * size_of(dtype), 1.0, purpose_);
    return {nullptr, dtype, shape};
  }
  /// @param filled  the share that is written, from the front: the rest is address space alone
  void push(DType dtype, Shape shape, double filled, Purpose purpose) {
    take(shape.elements() * size_of(dtype), filled, purpose);
  }

  /// What the following pushes are for that do not say it.
  void set_purpose(Purpose purpose) { purpose_ = purpose; }

  [[nodiscard]] Mark mark() const { return used_; }
  void release(Mark mark);

  /// As Arena::peak() would be.
  [[nodiscard]] Bytes peak() const { return Bytes(peak_); }
  /// Memory that the whole arena costs: every page that was written once, in pages of 2 MiB, which
  /// is what Linux gives to large blocks where it can.
  [[nodiscard]] Bytes touched() const;
  /// The most that was written for one exchange at a time.
  [[nodiscard]] Bytes exchanged() const { return Bytes(most_exchanged_); }

 private:
  /// One push that is in use.
  struct Push {
    std::int64_t begin = 0;
    std::int64_t exchanged = 0;  ///< bytes written for an exchange
  };
  struct Range {
    std::int64_t begin = 0;
    std::int64_t end = 0;
  };

  void take(std::int64_t bytes, double filled, Purpose purpose);

  Purpose purpose_ = Purpose::work;
  std::int64_t used_ = 0;
  std::int64_t peak_ = 0;
  std::int64_t exchanged_ = 0;
  std::int64_t most_exchanged_ = 0;
  std::vector<Push> pushes_;
  std::vector<Range> written_;
};

/// Pops what was pushed during its life.
class MeasureScope {
 public:
  explicit MeasureScope(ArenaMeasure& arena) : arena_(arena), mark_(arena.mark()) {}
  ~MeasureScope() { arena_.release(mark_); }
  MeasureScope(const MeasureScope&) = delete;
  MeasureScope& operator=(const MeasureScope&) = delete;

 private:
  ArenaMeasure& arena_;
  ArenaMeasure::Mark mark_;
};

/// The arenas of a Workspace on paper.
struct WorkspaceMeasure {
  ArenaMeasure saved;
  ArenaMeasure scratch;
  int threads = 1;  ///< of the rank
};

}  // namespace softmoe
