#pragma once

// The two numbers that bound a kernel: bytes that must pass between memory and processor at least
// once, and arithmetic. Additions, multiplications, comparisons, exponentials and divisions count
// one each. Letters: T tokens, H hidden, F inner width, E experts, e experts here, N rows sent,
// M rows received, P ranks.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace softmoe::bench {

/// What one MoE layer works on.
struct LayerSize {
  std::int64_t tokens = 8192;      ///< T
  std::int64_t hidden = 2048;      ///< H
  std::int64_t inner = 1408;       ///< F
  std::int64_t experts = 64;       ///< E, all of them here
  std::int64_t rows = 32'768;      ///< N = M
  std::int64_t element = 2;        ///< bytes of one stored number: 2 for bf16, 4 for f32
  std::int64_t lapsum_rounds = 2;  ///< of the solver; 1.5 in the mean, at most 3 (measured)
};

struct KernelCost {
  std::string_view kernel;  ///< the name of the operation
  double bytes = 0;
  double flops = 0;
  /// Flops per byte: below some hundred (bf16 on an H100: 295) memory is the limit.
  [[nodiscard]] double intensity() const { return flops / bytes; }
};

/// Every operation of a layer, forward and backward, in the order of a step.
[[nodiscard]] std::vector<KernelCost> kernel_costs(const LayerSize& size);

/// The lines of a Markdown table of them, its head included.
[[nodiscard]] std::vector<std::string> as_table(const std::vector<KernelCost>& costs);

}  // namespace softmoe::bench
