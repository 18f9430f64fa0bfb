#pragma once

#include "runtime/device/workspace.h"

namespace softmoe::bench {

/// A processor's device with what a rank works with on it, for ranks that are threads.
class RankWorkspace {
 public:
  explicit RankWorkspace(const CpuDevice::Options& options)
      : device_(options),
        compute_(device_),
        exchange_(device_),
        reduce_(device_),
        saved_(device_, kArena),
        scratch_(device_, kArena),
        work_{.saved = saved_,
              .scratch = scratch_,
              .compute = compute_,
              .exchange = exchange_,
              .reduce = reduce_,
              .progress = progress_} {}

  [[nodiscard]] Workspace& work() { return work_; }

 private:
  /// Address space; only what is used costs memory.
  static constexpr Bytes kArena{std::int64_t{16} << 30};

  CpuDevice device_;
  Stream compute_;
  Stream exchange_;
  Stream reduce_;
  Arena saved_;
  Arena scratch_;
  Progress progress_;
  Workspace work_;
};

}  // namespace softmoe::bench
