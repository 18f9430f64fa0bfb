#pragma once

// How the planted faults are caught. Each stands beside the right code; what catches it depends on
// the build, see emulation.h.

#include <gmock/gmock.h>

#include <cstdint>
#include <cstdlib>
#include <utility>

#include "tests/gpu_emulation/emulation.h"
#include "tests/support/on_device.h"

namespace softmoe::gpu_emulation {

inline constexpr std::uint64_t kNumOrders = 20;
inline constexpr Bytes kSmallArena{std::int64_t{1} << 16};

/// An emulated GPU with little memory, for one run of a kernel.
struct SmallGpu : test::OnDevice {
  SmallGpu() : OnDevice(Backend::cuda, 1, kSmallArena) {}
};

/// In how many of so many orders `produce()` gives something else than `expected`.
template <class Produce, class Value>
int count_wrong(Produce&& produce, const Value& expected) {
  int wrong = 0;
  for (std::uint64_t seed = 1; seed <= kNumOrders; ++seed) {
    set_seed(seed);
    if (produce() != expected) ++wrong;
  }
  return wrong;
}

/// What `run()` does ends well, and in the build that sees races none is reported.
template <class Run>
void expect_no_race(Run&& run) {
  if (checks() != Checks::fibers) return;
  EXPECT_EXIT(
      {
        run();
        std::exit(0);
      },
      testing::ExitedWithCode(0), "");
}

/// A race is reported while `run()` runs in a process of its own.
template <class Run>
void expect_race(Run&& run) {
  EXPECT_EXIT(
      {
        run();
        std::exit(0);
      },
      testing::ExitedWithCode(66), "ThreadSanitizer: data race");
}

/// Some order gives wrong numbers; in the build that sees races one is reported.
template <class Produce, class Value>
void expect_caught(Produce&& produce, const Value& expected) {
  if (checks() == Checks::fibers) {
    expect_race([&] { (void)produce(); });
  } else {
    EXPECT_GT(count_wrong(produce, expected), 0);
  }
}

/// There are faults, the first of `kind` and with `text` in it; they are taken.
inline void expect_fault(FaultKind kind, const char* text) {
  const std::vector<Fault> faults = take_faults();
  ASSERT_FALSE(faults.empty());
  EXPECT_EQ(faults[0].kind, kind);
  EXPECT_THAT(faults[0].text, testing::HasSubstr(text));
}

}  // namespace softmoe::gpu_emulation
