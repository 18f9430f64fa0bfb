#include "runtime/ops/gemm.h"

#include "runtime/ops/cuda/blas.h"
#include "tests/gpu/on_both.h"

namespace softmoe::ops {
namespace {

using test::for_each_storage;
using test::garbage;
using test::Guarded;
using test::normal_numbers;
using test::OnBoth;
using test::OnDevice;
using test::small_integers;
using testing::HasSubstr;
using testing::ThrowsMessage;

constexpr Transpose kTransposes[] = {Transpose::no, Transpose::yes};

struct Extents {
  std::int64_t m, n, k;
};

// Vectors, odd sizes, and every extent that may be 0.
constexpr Extents kExtents[] = {{1, 1, 1},   {3, 5, 7}, {33, 100, 8}, {8, 1, 1000}, {1, 64, 33},
                                {70, 65, 3}, {0, 3, 5}, {3, 0, 5},    {3, 5, 0},    {0, 0, 0}};

Shape shape_of(std::int64_t rows, std::int64_t columns, Transpose transpose) {
  return transpose == Transpose::yes ? Shape{columns, rows} : Shape{rows, columns};
}

struct Form {
  Transpose a = Transpose::no;
  Transpose b = Transpose::no;
  double alpha = 1.0;
  double beta = 0.0;
  std::int64_t shift = 0;
};

template <class T>
std::vector<T> product(OnDevice& device, const Extents& extents, const Form& form) {
  const auto& [m, n, k] = extents;
  const Guarded<T> a(device, small_integers<T>(m * k, 1), shape_of(m, k, form.a), form.shift);
  const Guarded<T> b(device, small_integers<T>(k * n, 2), shape_of(k, n, form.b), form.shift);
  // Memory that a beta of 0 must not even look at.
  const Guarded<T> c(device, form.beta == 0 ? garbage<T>(m * n) : small_integers<T>(m * n, 3),
                     {m, n}, form.shift);
  gemm({.a = a.tensor(),
        .b = b.tensor(),
        .c = c.tensor(),
        .transpose_a = form.a,
        .transpose_b = form.b,
        .alpha = form.alpha,
        .beta = form.beta},
       device.stream);
  return c.download();
}

TEST(GemmOnGpu, MultipliesIntegersExactlyInAllForms) {
  OnBoth both;
  for (const Extents& extents : kExtents) {
    for (const Transpose a : kTransposes) {
      for (const Transpose b : kTransposes) {
        for (const auto& [alpha, beta] : {std::pair{1.0, 0.0}, {1.0, 1.0}, {2.0, -0.5}}) {
          SCOPED_TRACE(testing::Message() << extents.m << " x " << extents.n << " x " << extents.k
                                          << ", beta " << beta);
          for_each_storage([&]<class T>() {
            both.expect_near(
                [&](OnDevice& device) {
                  return product<T>(device, extents,
                                    {.a = a, .b = b, .alpha = alpha, .beta = beta});
                },
                test::kExactValue);
          });
        }
      }
    }
  }
}

TEST(GemmOnGpu, TakesMatricesThatBeginAnywhere) {
  OnBoth both;
  for_each_storage([&]<class T>() {
    both.expect_near(
        [&](OnDevice& device) {
          return product<T>(device, {33, 7, 65}, {.b = Transpose::yes, .shift = 1});
        },
        test::kExactValue);
  });
}

TEST(GemmOnGpu, IsNearTheSpecificationOnRealNumbers) {
  OnBoth both;
  const auto multiply = []<class T>(OnDevice& device) {
    const Guarded<T> c(device, garbage<T>(40 * 50), {40, 50});
    gemm({.a = device.upload(normal_numbers<T>(40 * 300, 1), {40, 300}),
          .b = device.upload(normal_numbers<T>(300 * 50, 2, 0.1), {300, 50}),
          .c = c.tensor()},
         device.stream);
    return c.download();
  };
  both.expect_near([&](OnDevice& device) { return multiply.operator()<float>(device); },
                   test::kF32Sums);
  both.expect_within([&](OnDevice& device) { return multiply.operator()<Bf16>(device); },
                     test::kRoundedOnce);
}

TEST(GemmOnGpu, SaysThatItHasNoF64) {
  OnDevice gpu(Backend::cuda);
  const TensorView x = gpu.saved.push(DType::f64, {2, 2});

  EXPECT_THAT([&] { gemm({.a = x, .b = x, .c = x}, gpu.stream); },
              ThrowsMessage<DeviceError>(HasSubstr("f64")));
}

/// Sizes of groups, a group without rows among them, none at all, all rows in one.
const std::vector<std::vector<std::int64_t>> kGroups = {
    {1}, {0}, {3, 0, 5, 1}, {0, 0, 40, 0}, {7, 7, 7}, std::vector<std::int64_t>(150, 2)};

std::vector<std::int64_t> begins_of(const std::vector<std::int64_t>& sizes) {
  std::vector<std::int64_t> begin = {0};
  for (const std::int64_t size : sizes) begin.push_back(begin.back() + size);
  return begin;
}

struct GroupedCase {
  std::vector<std::int64_t> row_begin;
  std::int64_t n, k;
  Transpose transpose_weights = Transpose::yes;
  double beta = 1.0;
  std::int64_t shift = 0;

  [[nodiscard]] std::int64_t rows() const { return row_begin.back(); }
  [[nodiscard]] std::int64_t groups() const { return std::ssize(row_begin) - 1; }
};

template <class T>
std::vector<T> grouped(OnDevice& device, const GroupedCase& c) {
  const Guarded<T> rows(device, small_integers<T>(c.rows() * c.k, 1), {c.rows(), c.k}, c.shift);
  const Guarded<T> weights(device, small_integers<T>(c.groups() * c.n * c.k, 2),
                           c.transpose_weights == Transpose::yes ? Shape{c.groups(), c.n, c.k}
                                                                 : Shape{c.groups(), c.k, c.n},
                           c.shift);
  const Guarded<T> out(device, garbage<T>(c.rows() * c.n), {c.rows(), c.n}, c.shift);
  grouped_gemm({.rows = rows.tensor(),
                .weights = weights.tensor(),
                .out = out.tensor(),
                .transpose_weights = c.transpose_weights,
                .row_begin = c.row_begin},
               device.scratch, device.stream);
  EXPECT_EQ(device.scratch.used(), Bytes(0));
  return out.download();
}

template <class T>
std::vector<T> grouped_weight(OnDevice& device, const GroupedCase& c) {
  const Guarded<T> rows(device, small_integers<T>(c.rows() * c.k, 1), {c.rows(), c.k}, c.shift);
  const Guarded<T> d_out(device, small_integers<T>(c.rows() * c.n, 2), {c.rows(), c.n}, c.shift);
  const std::int64_t elements = c.groups() * c.n * c.k;
  const Guarded<T> d_weights(device,
                             c.beta == 0 ? garbage<T>(elements) : small_integers<T>(elements, 3),
                             {c.groups(), c.n, c.k}, c.shift);
  grouped_gemm_weight({.d_out = d_out.tensor(),
                       .rows = rows.tensor(),
                       .d_weights = d_weights.tensor(),
                       .beta = c.beta,
                       .row_begin = c.row_begin},
                      device.scratch, device.stream);
  EXPECT_EQ(device.scratch.used(), Bytes(0));
  return d_weights.download();
}

/// Widths that bf16 can do in one call, and widths that it cannot.
std::vector<GroupedCase> grouped_cases() {
  std::vector<GroupedCase> cases;
  for (const std::vector<std::int64_t>& sizes : kGroups) {
    for (const auto& [n, k] : {std::pair<std::int64_t, std::int64_t>{8, 16}, {3, 5}, {1, 33}}) {
      cases.push_back({begins_of(sizes), n, k});
    }
    cases.push_back({begins_of(sizes), 8, 8, Transpose::yes, 1.0, /*shift=*/1});
    cases.push_back({begins_of(sizes), 0, 8});
    cases.push_back({begins_of(sizes), 8, 0});
  }
  return cases;
}

TEST(GroupedGemmOnGpu, MultipliesIntegersExactly) {
  OnBoth both;
  for (GroupedCase c : grouped_cases()) {
    for (const Transpose transpose : kTransposes) {
      c.transpose_weights = transpose;
      SCOPED_TRACE(testing::Message() << c.rows() << " rows in " << c.groups() << " groups, n "
                                      << c.n << ", k " << c.k << ", shifted " << c.shift);
      for_each_storage([&]<class T>() {
        both.expect_near([&](OnDevice& device) { return grouped<T>(device, c); },
                         test::kExactValue);
      });
    }
  }
}

TEST(GroupedGemmOnGpu, SumsWeightGradientsExactlyAndClearsThoseOfEmptyGroups) {
  OnBoth both;
  for (GroupedCase c : grouped_cases()) {
    for (const double beta : {0.0, 1.0, 0.5}) {
      c.beta = beta;
      SCOPED_TRACE(testing::Message()
                   << c.rows() << " rows in " << c.groups() << " groups, n " << c.n << ", k " << c.k
                   << ", shifted " << c.shift << ", beta " << c.beta);
      for_each_storage([&]<class T>() {
        both.expect_near([&](OnDevice& device) { return grouped_weight<T>(device, c); },
                         test::kExactValue);
      });
    }
  }
}

/// rows [N, k] by weights [groups, n, k]^T, groups of so much work by calls of their own.
template <class T>
std::vector<T> grouped_with_own_calls(OnDevice& device, const GroupedCase& c, std::int64_t flops) {
  const std::int64_t element = sizeof(T);
  const Guarded<T> rows(device, small_integers<T>(c.rows() * c.k, 1), {c.rows(), c.k});
  const Guarded<T> weights(device, small_integers<T>(c.groups() * c.n * c.k, 2),
                           {c.groups(), c.n, c.k});
  const Guarded<T> out(device, garbage<T>(c.rows() * c.n), {c.rows(), c.n});
  cuda::multiply_groups({.each = {.transpose_b = Transpose::yes,
                                  .n = c.n,
                                  .k = c.k,
                                  .row_a = c.k,
                                  .row_b = c.k,
                                  .row_c = c.n,
                                  .dtype = rows.tensor().dtype()},
                         .rows = &cuda::Product::m,
                         .a = {rows.tensor().data(), c.k * element, 0},
                         .b = {weights.tensor().data(), 0, c.n * c.k * element},
                         .c = {out.tensor().data(), c.n * element, 0},
                         .row_begin = c.row_begin,
                         .own_call_flops = flops},
                        device.scratch, device.stream);
  return out.download();
}

TEST(GroupedGemmOnGpu, GivesLargeGroupsCallsOfTheirOwnAndTheSameNumbers) {
  OnBoth both;
  const GroupedCase c{begins_of({3, 0, 40, 1, 17, 41, 16}), 8, 16};
  constexpr std::int64_t kFlopsOfRow = 2 * 8 * 16;
  for (const std::int64_t rows : {1, 17, 41, 42}) {
    SCOPED_TRACE(testing::Message() << "own calls from " << rows << " rows on");
    for_each_storage([&]<class T>() {
      both.expect_near(
          [&](OnDevice& device) {
            return device.device.backend() == Backend::cuda
                       ? grouped_with_own_calls<T>(device, c, rows * kFlopsOfRow)
                       : grouped<T>(device, c);
          },
          test::kExactValue);
    });
  }
}

TEST(GroupedGemmOnGpu, CallsBehindOneAnotherShareTheirScratch) {
  // Nobody waits between the two: the pointers of the second are written when the first has run.
  OnDevice gpu(Backend::cuda);
  const std::vector<std::int64_t> two = {0, 1, 2};
  const std::vector<std::int64_t> one = {0, 2, 2};
  const TensorView rows = gpu.upload<float>({1, 2}, {2, 1});
  const TensorView weights = gpu.upload<float>({10, 100}, {2, 1, 1});
  const TensorView first = gpu.saved.push(DType::f32, {2, 1});
  const TensorView second = gpu.saved.push(DType::f32, {2, 1});

  grouped_gemm({.rows = rows, .weights = weights, .out = first, .row_begin = two}, gpu.scratch,
               gpu.stream);
  grouped_gemm({.rows = rows, .weights = weights, .out = second, .row_begin = one}, gpu.scratch,
               gpu.stream);

  EXPECT_THAT(gpu.download<float>(first), testing::ElementsAre(10, 200));
  EXPECT_THAT(gpu.download<float>(second), testing::ElementsAre(10, 20));
}

}  // namespace
}  // namespace softmoe::ops
