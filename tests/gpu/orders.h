#pragma once

// The same work in other orders: results must not show it.

#include <gtest/gtest.h>

#include <cstdint>

namespace softmoe::test {

/// Orders that are tried.
inline constexpr std::uint64_t kNumOrders = 5;

/// From here on, threads, blocks and streams run in an order drawn with `seed`. A real GPU orders
/// as it likes: there this does nothing, and work is simply repeated.
void draw_order(std::uint64_t seed);

/// Expects the same value, bit for bit, from every call of `run`, each in an order of its own.
template <class Run>
void expect_equal_in_every_order(Run run) {
  draw_order(1);
  const auto first = run();
  for (std::uint64_t order = 2; order <= kNumOrders; ++order) {
    draw_order(order);
    EXPECT_EQ(run(), first) << "order " << order;
  }
}

}  // namespace softmoe::test
