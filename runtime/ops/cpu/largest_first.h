#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <tuple>
#include <utility>

#include "runtime/device/workers.h"
#include "runtime/ops/cpu/product.h"

namespace softmoe::ops::cpu {

/// A block of one group's product.
struct GroupBlock {
  std::int64_t group;
  Block block;
};

/// Blocks of many groups, run largest first. A fixed number is gathered at a time: nothing is
/// allocated, and what is run together depends on the shapes alone.
template <class Run>
class LargestFirst {
 public:
  /// @param are_near  the blocks are of one product: alike, and what comes next reads their rows
  ///                  side by side
  /// @param run       to be called with every GroupBlock, on any worker
  LargestFirst(Workers& workers, bool are_near, Run run)
      : workers_(workers), are_near_(are_near), run_(std::move(run)) {}

  void add(const GroupBlock& item) {
    if (num_items_ == items_.size()) run_gathered();
    items_[num_items_++] = item;
  }

  /// Runs those that were added and not run yet.
  void run_gathered() {
    const auto last = items_.begin() + static_cast<std::ptrdiff_t>(num_items_);
    std::sort(items_.begin(), last, [](const GroupBlock& x, const GroupBlock& y) {
      return std::tie(y.block.cost, x.group, x.block.begin) <
             std::tie(x.block.cost, y.group, y.block.begin);
    });
    const auto run_one = [this](std::int64_t i, int /*worker*/) {
      run_(items_[static_cast<std::size_t>(i)]);
    };
    const auto count = static_cast<std::int64_t>(num_items_);
    are_near_ ? workers_.for_each_near(count, run_one) : workers_.for_each(count, run_one);
    num_items_ = 0;
  }

 private:
  Workers& workers_;
  bool are_near_;
  Run run_;
  std::array<GroupBlock, 256> items_;
  std::size_t num_items_ = 0;
};

}  // namespace softmoe::ops::cpu
