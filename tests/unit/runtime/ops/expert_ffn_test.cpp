// Experts one by one against the same experts operation by operation: the same bits.
// Letters: M rows, H hidden, F inner width, e experts.

#include "runtime/ops/expert_ffn.h"

#include <gmock/gmock.h>

#include "runtime/base/errors.h"
#include "runtime/ops/gemm.h"
#include "runtime/ops/swiglu.h"
#include "tests/support/numbers.h"
#include "tests/unit/runtime/ops/everywhere.h"

namespace softmoe::ops {
namespace {

using test::joined;
using test::normal_numbers;
using test::OnDevice;
using testing::HasSubstr;
using testing::ThrowsMessage;

constexpr std::int64_t kHidden = 24;
constexpr std::int64_t kInner = 40;

/// Nothing, a row, few, and more rows than a block has.
const std::vector<std::int64_t> kRowBegin = {0,    300,  300,  301,  901,  970, 1500,
                                             2000, 2500, 3000, 3500, 4000, 4000};
constexpr std::int64_t kExperts = 12;

/// Tensors of one pass on a device.
struct Pass {
  explicit Pass(OnDevice& on, std::int64_t num_rows = 4000, std::int64_t num_experts = kExperts)
      : rows(num_rows),
        experts(num_experts),
        x(numbers(on, {rows, kHidden}, 1)),
        gate(numbers(on, {rows}, 2)),
        gate_up(numbers(on, {experts, 2 * kInner, kHidden}, 3)),
        down(numbers(on, {experts, kHidden, kInner}, 4)),
        d_y(numbers(on, {rows, kHidden}, 5)),
        d_gate_up(numbers(on, gate_up.shape(), 6)),
        d_down(numbers(on, down.shape(), 7)),
        h(on.saved.push(DType::f32, {rows, 2 * kInner})),
        a(on.saved.push(DType::f32, {rows, kInner})),
        y(on.saved.push(DType::f32, {rows, kHidden})),
        d_x(on.saved.push(DType::f32, {rows, kHidden})),
        d_gate(on.saved.push(DType::f32, {rows})) {}

  static TensorView numbers(OnDevice& on, Shape shape, std::uint64_t seed) {
    return on.upload(normal_numbers<float>(shape.elements(), seed), shape);
  }

  [[nodiscard]] ExpertFfnArguments forward(const ExpertRows& of) const {
    return {.x_MH = x,
            .gate_M = gate,
            .gate_up_e2FH = gate_up,
            .down_eHF = down,
            .h_M2F = h,
            .a_MF = a,
            .y_MH = y,
            .rows = of};
  }
  [[nodiscard]] ExpertFfnBackwardArguments backward(double beta) const {
    return {.d_y_MH = d_y,
            .x_MH = x,
            .gate_M = gate,
            .gate_up_e2FH = gate_up,
            .down_eHF = down,
            .h_M2F = h,
            .a_MF = a,
            .d_x_MH = d_x,
            .d_gate_M = d_gate,
            .d_gate_up_e2FH = d_gate_up,
            .d_down_eHF = d_down,
            .gate_up_beta = beta,
            .down_beta = 1.0,
            .rows = {.row_begin = kRowBegin}};
  }

  std::int64_t rows;
  std::int64_t experts;
  TensorView x, gate, gate_up, down, d_y, d_gate_up, d_down, h, a, y, d_x, d_gate;
};

void forward_by_operation(OnDevice& on, const Pass& pass, const ExpertRows& rows) {
  const auto product = [&](ConstTensorView in, ConstTensorView weights, TensorView out) {
    grouped_gemm({.rows = in,
                  .weights = weights,
                  .out = out,
                  .row_begin = rows.row_begin,
                  .runs = rows.runs},
                 on.scratch, on.stream);
  };
  product(pass.x, pass.gate_up, pass.h);
  swiglu(pass.h, pass.gate, pass.a, on.stream);
  product(pass.a, pass.down, pass.y);
}

void backward_by_operation(OnDevice& on, const Pass& pass, double gate_up_beta) {
  const auto product = [&](ConstTensorView in, ConstTensorView weights, TensorView out) {
    grouped_gemm({.rows = in,
                  .weights = weights,
                  .out = out,
                  .transpose_weights = Transpose::no,
                  .row_begin = kRowBegin},
                 on.scratch, on.stream);
  };
  const auto gradient = [&](ConstTensorView d_out, ConstTensorView in, TensorView d_weights,
                            double beta) {
    grouped_gemm_weight(
        {.d_out = d_out, .rows = in, .d_weights = d_weights, .beta = beta, .row_begin = kRowBegin},
        on.scratch, on.stream);
  };
  product(pass.d_y, pass.down, pass.a);
  swiglu_backward({.d_a_MF = pass.a,
                   .h_M2F = pass.h,
                   .gate_M = pass.gate,
                   .d_h_M2F = pass.h,
                   .d_gate_M = pass.d_gate,
                   .a_MF = pass.a},
                  on.stream);
  gradient(pass.d_y, pass.a, pass.d_down, 1.0);
  gradient(pass.h, pass.x, pass.d_gate_up, gate_up_beta);
  product(pass.h, pass.gate_up, pass.d_x);
}

TEST(ExpertFfn, ForwardHasTheBitsOfTheSingleOperations) {
  for (const int workers : {1, 2, 3}) {
    OnDevice on(Backend::cpu, workers);
    for (const ExpertRows rows : {ExpertRows{kRowBegin, 1}, ExpertRows{kRowBegin, 3}}) {
      const std::int64_t experts = kExperts / rows.runs;
      const Pass expected(on, 4000, experts);
      const Pass actual(on, 4000, experts);
      forward_by_operation(on, expected, rows);

      expert_ffn(actual.forward(rows), on.stream);

      EXPECT_EQ(on.download<float>(actual.h), on.download<float>(expected.h));
      EXPECT_EQ(on.download<float>(actual.y), on.download<float>(expected.y));
    }
  }
}

TEST(ExpertFfn, BackwardHasTheBitsOfTheSingleOperations) {
  for (const int workers : {1, 2, 3}) {
    for (const double gate_up_beta : {0.0, 1.0}) {
      OnDevice on(Backend::cpu, workers);
      const auto gradients = [&](const Pass& pass) {
        return joined(on.download<float>(pass.d_x), on.download<float>(pass.d_gate),
                      on.download<float>(pass.d_gate_up), on.download<float>(pass.d_down));
      };
      const Pass expected(on);
      const Pass actual(on);
      forward_by_operation(on, expected, {.row_begin = kRowBegin});
      forward_by_operation(on, actual, {.row_begin = kRowBegin});
      backward_by_operation(on, expected, gate_up_beta);

      expert_ffn_backward(actual.backward(gate_up_beta), on.stream);

      EXPECT_EQ(gradients(actual), gradients(expected)) << workers << ", " << gate_up_beta;
    }
  }
}

TEST(ExpertFfn, TakesExpertsOneByOneWhereTheyFitCachesAndWorkers) {
  const auto takes = [](Backend backend, int workers, DType dtype, Shape h,
                        std::vector<std::int64_t> row_begin) {
    OnDevice on(backend, workers);
    return takes_experts_one_by_one(on.stream, TensorView(nullptr, dtype, h),
                                    {.row_begin = row_begin});
  };
  EXPECT_TRUE(takes(Backend::cpu, 1, DType::f32, {128, 512}, {0, 128}));
  EXPECT_FALSE(takes(Backend::reference, 1, DType::f32, {128, 512}, {0, 128}));
  EXPECT_FALSE(takes(Backend::cpu, 1, DType::f64, {128, 512}, {0, 128}));
  // 511 rows are one block, of 1.25 MiB where rows have 641 numbers.
  EXPECT_TRUE(takes(Backend::cpu, 1, DType::f32, {511, 641}, {0, 511}));
  EXPECT_FALSE(takes(Backend::cpu, 1, DType::f32, {511, 642}, {0, 511}));
  // 512 rows are two blocks.
  EXPECT_TRUE(takes(Backend::cpu, 1, DType::f32, {512, 1280}, {0, 512}));
  // Of two workers each has to find two such runs.
  EXPECT_TRUE(takes(Backend::cpu, 2, DType::f32, {128, 64}, {0, 32, 64, 96, 128}));
  EXPECT_FALSE(takes(Backend::cpu, 2, DType::f32, {128, 64}, {0, 33, 64, 96, 128}));
}

TEST(ExpertFfn, RefusesWhatDoesNotFit) {
  OnDevice on(Backend::cpu, 1);
  const Pass pass(on);
  ExpertFfnArguments narrow = pass.forward({.row_begin = kRowBegin});
  narrow.y_MH = narrow.y_MH.rows(1, 4000);
  EXPECT_THAT([&] { expert_ffn(narrow, on.stream); },
              ThrowsMessage<InvalidArgument>(HasSubstr("expert_ffn: y_MH has shape")));
  const std::vector<std::int64_t> too_few(kRowBegin.begin(), kRowBegin.end() - 2);
  EXPECT_THAT([&] { expert_ffn(pass.forward({.row_begin = too_few}), on.stream); },
              ThrowsMessage<InvalidArgument>(HasSubstr("expert_ffn: size of row_begin is 11")));
  ExpertFfnBackwardArguments swapped = pass.backward(1.0);
  swapped.d_down_eHF = pass.d_gate_up;
  EXPECT_THAT([&] { expert_ffn_backward(swapped, on.stream); },
              ThrowsMessage<InvalidArgument>(HasSubstr("expert_ffn_backward: d_down_eHF")));
}

}  // namespace
}  // namespace softmoe::ops
