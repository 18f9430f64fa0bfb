// Grouped products whose groups come in runs: a product of each run by itself.

#include <gmock/gmock.h>

#include "runtime/ops/gemm.h"
#include "tests/support/numbers.h"
#include "tests/support/on_device.h"

namespace softmoe::ops {
namespace {

using test::OnDevice;

constexpr std::int64_t kIn = 40;
constexpr std::int64_t kOut = 24;

/// Two groups of three runs, some of them empty or of one row.
const std::vector<std::int64_t> kRowBegin = {0, 5, 5, 18, 19, 30, 37};
constexpr std::int64_t kRuns = 3;

TEST(GroupedRuns, ARunIsTheProductOfItsRowsAlone) {
  for (const Backend backend : {Backend::reference, Backend::cpu}) {
    OnDevice on(backend, 2);
    const TensorView rows = on.upload(test::normal_numbers<float>(37 * kIn, 1), {37, kIn});
    const TensorView weights =
        on.upload(test::normal_numbers<float>(2 * kOut * kIn, 2), {2, kOut, kIn});
    const TensorView out = on.saved.push(DType::f32, {37, kOut});
    grouped_gemm(
        {.rows = rows, .weights = weights, .out = out, .row_begin = kRowBegin, .runs = kRuns},
        on.scratch, on.stream);

    for (std::size_t run = 0; run + 1 < kRowBegin.size(); ++run) {
      const auto group = static_cast<std::int64_t>(run) / kRuns;
      const std::int64_t begin = kRowBegin[run];
      const std::int64_t end = kRowBegin[run + 1];
      const TensorView alone = on.saved.push(DType::f32, {end - begin, kOut});
      gemm({.a = rows.rows(begin, end),
            .b = weights.rows(group, group + 1).reshaped({kOut, kIn}),
            .c = alone,
            .transpose_b = Transpose::yes},
           on.stream);
      EXPECT_EQ(on.download<float>(out.rows(begin, end)), on.download<float>(alone)) << run;
    }
  }
}

TEST(GroupedRuns, TheGradientOfARunReadsItsRowsAlone) {
  for (const Backend backend : {Backend::reference, Backend::cpu}) {
    OnDevice on(backend, 2);
    const TensorView rows = on.upload(test::normal_numbers<float>(37 * kIn, 1), {37, kIn});
    const TensorView d_out = on.upload(test::normal_numbers<float>(37 * kOut, 3), {37, kOut});
    const TensorView d_weights = on.saved.push(DType::f32, {2, kOut, kIn});
    for (std::int64_t run = 0; run < kRuns; ++run) {
      grouped_gemm_weight({.d_out = d_out,
                           .rows = rows,
                           .d_weights = d_weights,
                           .beta = 0,
                           .row_begin = kRowBegin,
                           .runs = kRuns,
                           .run = run},
                          on.scratch, on.stream);
      for (std::int64_t group = 0; group < 2; ++group) {
        const auto number = static_cast<std::size_t>(group * kRuns + run);
        const std::int64_t begin = kRowBegin[number];
        const std::int64_t end = kRowBegin[number + 1];
        const TensorView alone = on.saved.push(DType::f32, {kOut, kIn});
        gemm({.a = d_out.rows(begin, end),
              .b = rows.rows(begin, end),
              .c = alone,
              .transpose_a = Transpose::yes},
             on.stream);
        EXPECT_EQ(on.download<float>(d_weights.rows(group, group + 1)), on.download<float>(alone));
      }
    }
  }
}

TEST(GroupedRuns, RefusesAPlanOfAnotherNumberOfRuns) {
  OnDevice on;
  const TensorView rows = on.upload(std::vector<float>(37 * kIn), {37, kIn});
  const TensorView weights = on.upload(std::vector<float>(2 * kOut * kIn), {2, kOut, kIn});
  const TensorView out = on.saved.push(DType::f32, {37, kOut});
  for (const std::int64_t runs : {0, 1, 2, 4}) {
    EXPECT_THROW(
        grouped_gemm(
            {.rows = rows, .weights = weights, .out = out, .row_begin = kRowBegin, .runs = runs},
            on.scratch, on.stream),
        InvalidArgument);
  }
  EXPECT_THROW(grouped_gemm_weight({.d_out = out,
                                    .rows = rows,
                                    .d_weights = weights,
                                    .row_begin = kRowBegin,
                                    .runs = kRuns,
                                    .run = kRuns},
                                   on.scratch, on.stream),
               InvalidArgument);
}

}  // namespace
}  // namespace softmoe::ops
