#pragma once

#include <memory>
#include <utility>

#include "runtime/device/workspace.h"

namespace softmoe::bench {

/// A device with what a rank works with on it, for ranks that are threads.
class RankWorkspace {
 public:
  /// On a processor.
  explicit RankWorkspace(const CpuDevice::Options& options)
      : RankWorkspace(std::make_unique<CpuDevice>(options), kAddressSpace) {}
  /// @param arena  of `saved` and of `scratch` each
  RankWorkspace(std::unique_ptr<Device> device, Bytes arena)
      : device_(std::move(device)),
        compute_(*device_),
        exchange_(*device_),
        reduce_(*device_),
        saved_(*device_, arena),
        scratch_(*device_, arena),
        work_{.saved = saved_,
              .scratch = scratch_,
              .compute = compute_,
              .exchange = exchange_,
              .reduce = reduce_,
              .progress = progress_} {}

  [[nodiscard]] Workspace& work() { return work_; }

 private:
  /// Only what is used costs memory.
  static constexpr Bytes kAddressSpace{std::int64_t{16} << 30};

  std::unique_ptr<Device> device_;
  Stream compute_;
  Stream exchange_;
  Stream reduce_;
  Arena saved_;
  Arena scratch_;
  Progress progress_;
  Workspace work_;
};

}  // namespace softmoe::bench
