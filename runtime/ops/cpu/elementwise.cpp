#include "runtime/ops/elementwise.h"

#include <array>
#include <cstring>

#include "runtime/ops/cpu/blocks.h"
#include "runtime/ops/cpu/vec.h"

namespace softmoe::ops::cpu {

namespace {

/// Memory moves at full speed in pieces of this many bytes, and several threads help.
constexpr std::int64_t kMovedBytes = std::int64_t{1} << 18;

/// Blocks whose sums are added in rising order; a block is summed in f64, by lanes.
constexpr std::int64_t kSumBlock = 16384;

/// Sum over term(x) of one block. Four quarters are summed side by side: one addition does not wait
/// for the other, and a core reads four pages at once, which is nearly twice as fast as one. The
/// same places of the next block are fetched meanwhile, which takes a third off what is left.
template <class Term>
double sum_block(const float* x, std::int64_t size, const Term& term) {
  constexpr std::int64_t kSums = 4;
  std::array<VecD, kSums> sums{};
  const std::int64_t quarter = size / (kSums * kLanesD) * kLanesD;
  for (std::int64_t i = 0; i < quarter; i += kLanesD) {
    for (std::int64_t s = 0; s < kSums; ++s) {
      const float* const from = x + s * quarter + i;
      __builtin_prefetch(from + kSumBlock);
      sums[static_cast<std::size_t>(s)] += term(load_as_double(from));
    }
  }
  const VecD sum = (sums[0] + sums[1]) + (sums[2] + sums[3]);
  double total = 0;
  for (int lane = 0; lane < kLanesD; ++lane) total += sum[lane];
  for (std::int64_t i = kSums * quarter; i < size; ++i) total += term(double{x[i]});
  return total;
}

/// Block sums wait in a fixed number of places, so any number of workers gives the same sum.
template <class Term>
double sum_of(Workers& workers, View<const float> x, const Term& term) {
  constexpr std::int64_t kPlaces = 256;
  std::array<double, kPlaces> sums;
  double total = 0;
  for (std::int64_t wave = 0; wave < x.size(); wave += kPlaces * kSumBlock) {
    const std::int64_t size = std::min(kPlaces * kSumBlock, x.size() - wave);
    for_blocks(workers, size, kSumBlock, [&](std::int64_t begin, std::int64_t end) {
      sums[static_cast<std::size_t>(begin / kSumBlock)] =
          sum_block(x.data() + wave + begin, end - begin, term);
    });
    const std::int64_t num_blocks = (size + kSumBlock - 1) / kSumBlock;
    for (std::int64_t b = 0; b < num_blocks; ++b) total += sums[static_cast<std::size_t>(b)];
  }
  return total;
}

}  // namespace

void fill_zero(TensorView x, Stream& stream) {
  stream.run([x, workers = &stream.workers()] {
    for_blocks(*workers, x.bytes(), kMovedBytes, [&](std::int64_t begin, std::int64_t end) {
      std::memset(x.data() + begin, 0, static_cast<std::size_t>(end - begin));
    });
  });
}

void copy(ConstTensorView source, TensorView target, Stream& stream) {
  stream.run([source, target, workers = &stream.workers()] {
    for_blocks(*workers, source.bytes(), kMovedBytes, [&](std::int64_t begin, std::int64_t end) {
      std::memcpy(target.data() + begin, source.data() + begin,
                  static_cast<std::size_t>(end - begin));
    });
  });
}

void add(ConstTensorView source, TensorView target, Stream& stream) {
  stream.run([source, target, workers = &stream.workers()] {
    const float* const from = source.as<float>().data();
    float* const to = target.as<float>().data();
    for_blocks(*workers, source.elements(), kBlockElements,
               [&](std::int64_t begin, std::int64_t end) {
                 for_vectors(end - begin, [&](std::int64_t i, auto lanes) {
                   const Vec sum = load(to + begin + i, lanes) + load(from + begin + i, lanes);
                   store(sum, to + begin + i, lanes);
                 });
               });
  });
}

void sum(ConstTensorView x, View<double> sum, Stream& stream) {
  stream.run([x, sum, workers = &stream.workers()] {
    sum[0] = sum_of(*workers, x.as<float>(), [](auto value) { return value; });
  });
}

void sum_squares(ConstTensorView x, View<double> sum, Stream& stream) {
  stream.run([x, sum, workers = &stream.workers()] {
    sum[0] = sum_of(*workers, x.as<float>(), [](auto value) { return value * value; });
  });
}

}  // namespace softmoe::ops::cpu
