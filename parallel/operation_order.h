#pragma once

#include <cstdint>
#include <utility>

#include "runtime/base/errors.h"
#include "runtime/device/stream.h"

namespace softmoe::parallel {

/// Keeps the operations of one rank, over all its communicators and streams, in the order of the
/// calls. Peers make the same calls, so nobody waits for an operation that its peer holds back
/// behind another one. All streams in use at a time belong to one device. Used by one thread.
class OperationOrder {
 public:
  /// Runs `operation` on `stream`, behind every operation called before.
  template <class Operation>
  void enqueue(Stream& stream, Operation operation) {
    const bool is_behind_another = ran_ < called_;
    if (is_behind_another) stream.wait_for(last_);
    stream.run([this, number = called_++, operation = std::move(operation)] {
      expect(number == ran_, "operations of communicators run in the order of their calls");
      ++ran_;  // also if it throws: what comes behind finds the communicator failed, not disordered
      operation();
    });
    stream.record(last_);
    device_ = &stream.device();
  }

  /// Waits on the host for every operation called so far.
  void settle();
  /// Whether every operation called so far has run.
  [[nodiscard]] bool is_settled() const { return ran_ == called_; }

 private:
  std::int64_t called_ = 0;
  std::int64_t ran_ = 0;
  Event last_;
  Device* device_ = nullptr;
};

}  // namespace softmoe::parallel
