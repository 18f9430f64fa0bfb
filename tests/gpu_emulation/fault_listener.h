#pragma once

#include <gtest/gtest.h>

namespace softmoe::gpu_emulation {

/// Fails every test that leaves faults of the emulated GPUs behind, or work that nobody waited for.
/// Tests of faults take them.
class FaultListener final : public testing::EmptyTestEventListener {
 public:
  void OnTestEnd(const testing::TestInfo& info) override;
};

}  // namespace softmoe::gpu_emulation
