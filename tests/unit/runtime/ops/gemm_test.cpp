#include "runtime/ops/gemm.h"

#include <signal.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <thread>

#include "runtime/ops/cpu/blas.h"
#include "tests/support/numbers.h"
#include "tests/unit/runtime/ops/everywhere.h"

namespace softmoe::ops {
namespace {

using test::as_type;
using test::Everywhere;
using test::integers;
using test::normal_numbers;
using test::OnDevice;
using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::ThrowsMessage;

constexpr Transpose kTransposes[] = {Transpose::no, Transpose::yes};

Shape shape_of(std::int64_t rows, std::int64_t columns, Transpose transpose) {
  return transpose == Transpose::yes ? Shape{columns, rows} : Shape{rows, columns};
}

TEST(Gemm, MultipliesSmallIntegersExactlyInAllFourForms) {
  for (const Backend backend : {Backend::reference, Backend::cpu}) {
    OnDevice device(backend);
    for (const Transpose a : kTransposes) {
      for (const Transpose b : kTransposes) {
        // [1 2 3; 4 5 6] times [1 2; 3 4; 5 6]
        const std::vector<float> a_values = a == Transpose::yes
                                                ? std::vector<float>{1, 4, 2, 5, 3, 6}
                                                : std::vector<float>{1, 2, 3, 4, 5, 6};
        const std::vector<float> b_values = b == Transpose::yes
                                                ? std::vector<float>{1, 3, 5, 2, 4, 6}
                                                : std::vector<float>{1, 2, 3, 4, 5, 6};
        const TensorView c = device.saved.push(DType::f32, {2, 2});

        gemm({.a = device.upload(a_values, shape_of(2, 3, a)),
              .b = device.upload(b_values, shape_of(3, 2, b)),
              .c = c,
              .transpose_a = a,
              .transpose_b = b},
             device.stream);

        EXPECT_THAT(device.download<float>(c), ElementsAre(22, 28, 49, 64));
      }
    }
  }
}

TEST(Gemm, ScalesByAlphaAndAddsBetaTimesC) {
  for (const Backend backend : {Backend::reference, Backend::cpu}) {
    OnDevice device(backend);
    const TensorView c = device.upload<float>({100, 200, 300, 400}, {2, 2});

    gemm({.a = device.upload<float>({1, 2}, {2, 1}),
          .b = device.upload<float>({3, 4}, {1, 2}),
          .c = c,
          .alpha = 2,
          .beta = 0.5},
         device.stream);

    EXPECT_THAT(device.download<float>(c), ElementsAre(56, 108, 162, 216));
  }
}

TEST(Gemm, IsTheSameEverywhere) {
  struct Case {
    std::int64_t m, n, k;
    double beta;
  };
  Everywhere everywhere;
  // 1, and 600 rows, which are cut in two; no rows, no columns, no inner dim; small results of long
  // sums, which are cut by their terms, 16,384 elements at a time; some rows and panels of columns,
  // and few columns for many rows.
  for (const Case& c :
       {Case{0, 3, 5, 0},   {3, 0, 5, 0},      {3, 5, 0, 0},      {3, 5, 0, 0.5},
        {1, 17, 64, 0},     {1, 65, 3, 1},     {17, 1, 65, 1},    {65, 255, 64, 0},
        {600, 33, 17, 0.5}, {7, 33, 131, 0.5}, {64, 256, 512, 0}, {64, 257, 513, 1},
        {8, 48, 16, 0},     {33, 149, 100, 0}, {33, 160, 304, 0}, {64, 512, 1024, 0},
        {64, 60, 1025, 0},  {96, 50, 31, 0},   {70, 16, 33, 0},   {300, 64, 40, 0}}) {
    for (const Transpose a : kTransposes) {
      for (const Transpose b : kTransposes) {
        everywhere.expect_same(
            [&](OnDevice& device) {
              // With beta 0 the result starts as NaN.
              const TensorView out =
                  c.beta == 0 ? device.saved.push(DType::f32, {c.m, c.n})
                              : device.upload(normal_numbers<float>(c.m * c.n, 3), {c.m, c.n});
              gemm({.a = device.upload(normal_numbers<float>(c.m * c.k, 1), shape_of(c.m, c.k, a)),
                    .b = device.upload(normal_numbers<float>(c.k * c.n, 2), shape_of(c.k, c.n, b)),
                    .c = out,
                    .transpose_a = a,
                    .transpose_b = b,
                    .alpha = 0.25,
                    .beta = c.beta},
                   device.stream);
              return device.download<float>(out);
            },
            test::kF32Sums);
      }
    }
  }
}

TEST(Gemm, RoundsBf16ResultsOnce) {
  OnDevice device(Backend::cpu);  // bf16 runs on the specification there too
  const auto a = as_type<Bf16>(normal_numbers<float>(7 * 9, 1));
  const auto b = as_type<Bf16>(normal_numbers<float>(9 * 5, 2));
  const TensorView rounded = device.saved.push(DType::bf16, {7, 5});
  const TensorView exact = device.saved.push(DType::f64, {7, 5});

  gemm({.a = device.upload(a, {7, 9}), .b = device.upload(b, {9, 5}), .c = rounded}, device.stream);
  gemm({.a = device.upload(as_type<double>(a), {7, 9}),
        .b = device.upload(as_type<double>(b), {9, 5}),
        .c = exact},
       device.stream);

  EXPECT_TRUE(test::near(as_type<float>(device.download<Bf16>(rounded)),
                         device.download<double>(exact), test::kBf16Rounding));
}

TEST(Gemm, NamesTheShapesThatDoNotFit) {
  OnDevice device;
  const auto wrong = [&] {
    gemm({.a = device.saved.push(DType::f32, {2, 3}),
          .b = device.saved.push(DType::f32, {4, 5}),
          .c = device.saved.push(DType::f32, {2, 5})},
         device.stream);
  };

  EXPECT_THAT(wrong,
              ThrowsMessage<InvalidArgument>(HasSubstr("b has shape [4, 5], must be [3, 5]")));
}

TEST(Gemm, RefusesMixedTypes) {
  OnDevice device;

  EXPECT_THROW(gemm({.a = device.saved.push(DType::f32, {2, 2}),
                     .b = device.saved.push(DType::f64, {2, 2}),
                     .c = device.saved.push(DType::f32, {2, 2})},
                    device.stream),
               InvalidArgument);
}

TEST(GemmPair, IsTwoProductsBitForBit) {
  // One that is cut into rows, one into columns, one that is not cut.
  struct Extents {
    std::int64_t m, n, k;
  };
  const Extents cases[][2] = {{{1200, 40, 30}, {16, 3000, 20}}, {{7, 5, 3}, {600, 64, 0}}};
  for (const int workers : {1, 3}) {
    OnDevice device(Backend::cpu, workers);
    for (const auto& pair : cases) {
      std::vector<GemmArguments> apart;
      std::vector<GemmArguments> together;
      for (const auto& [m, n, k] : pair) {
        GemmArguments one{.a = device.upload(normal_numbers<float>(m * k, 1), {m, k}),
                          .b = device.upload(normal_numbers<float>(n * k, 2), {n, k}),
                          .c = device.upload(normal_numbers<float>(m * n, 3), {m, n}),
                          .transpose_b = Transpose::yes,
                          .beta = 1.0};
        together.push_back(one);
        one.c = device.upload(normal_numbers<float>(m * n, 3), {m, n});
        apart.push_back(one);
        gemm(one, device.stream);
      }

      gemm_pair(together[0], together[1], device.stream);

      for (const std::size_t i : {0, 1})
        EXPECT_EQ(device.download<float>(together[i].c), device.download<float>(apart[i].c));
    }
  }
}

struct Extents {
  std::int64_t m, n, k;
};
struct Factors {
  double alpha = 1.0;
  double beta = 0.0;
};

/// Products of small integers, which are exact in every order.
void expect_exact_product(const Extents& size, Transpose transpose_a, Transpose transpose_b,
                          const Factors& factors = {}) {
  const auto [m, n, k] = size;
  const auto product = [&](OnDevice& device) {
    const auto matrix = [&](std::int64_t rows, std::int64_t columns, Transpose transpose,
                            int seed) {
      const auto numbers = integers(rows * columns, /*below=*/7, seed);
      return device.upload(std::vector<float>(numbers.begin(), numbers.end()),
                           shape_of(rows, columns, transpose));
    };
    const TensorView c = matrix(m, n, Transpose::no, 4);
    gemm({.a = matrix(m, k, transpose_a, 6),
          .b = matrix(k, n, transpose_b, 5),
          .c = c,
          .transpose_a = transpose_a,
          .transpose_b = transpose_b,
          .alpha = factors.alpha,
          .beta = factors.beta},
         device.stream);
    return device.download<float>(c);
  };
  OnDevice two_threads(Backend::cpu, 2);
  OnDevice reference(Backend::reference);
  EXPECT_EQ(product(two_threads), product(reference)) << m << " x " << n << " x " << k;
}

TEST(Gemm, OfManyColumnsIsItsColumns) {
  // 2,500 columns are cut; 1,250 are not.
  for (const Transpose b : kTransposes) expect_exact_product({33, 2500, 9}, Transpose::no, b);
}

TEST(Gemm, OfFewRowsAndLongSumsIsItsColumns) {
  // The gradient of a router's weights: its columns are halved.
  for (const Transpose a : kTransposes) {
    for (const std::int64_t columns : {1, 16, 40, 193}) {
      expect_exact_product({2, columns, 512}, a, Transpose::no);
      expect_exact_product({16, columns, 512}, a, Transpose::no);
      expect_exact_product({64, columns, 511}, a, Transpose::no);
    }
  }
}

TEST(Gemm, OfColumnsFarApartIsThatOfACopy) {
  // Rows of A are 8 and 16 KiB apart; terms are copied some hundred at a time.
  for (const Transpose b : kTransposes) {
    for (const std::int64_t terms : {1, 2, 300}) {
      expect_exact_product({2048, 5, terms}, Transpose::yes, b);
      expect_exact_product({4096, 3, terms}, Transpose::yes, b, {.alpha = 2.0, .beta = 3.0});
    }
  }
}

TEST(Blas, RunsKernelsOfTheVectorsItWasCompiledFor) {
  const std::string kernels = cpu::blas_kernels();

  // The oldest kernels are what an unknown processor gets, six times slower.
  if (__BIGGEST_ALIGNMENT__ > 16 && std::getenv("OPENBLAS_CORETYPE") == nullptr) {
    EXPECT_NE(kernels, "Prescott");
  }
}

extern "C" void ignore_signal(int) {}

TEST(Blas, IsRightWhileSignalsArrive) {
  const auto before = std::signal(SIGUSR2, ignore_signal);
  std::atomic<bool> is_over{false};
  std::thread knocker([&, target = pthread_self()] {
    while (!is_over) {
      pthread_kill(target, SIGUSR2);
      std::this_thread::sleep_for(std::chrono::microseconds(50));
    }
  });
  std::int64_t wrong = 0;
  for (std::int64_t round = 0; round < 3000; ++round) {
    const std::int64_t m = 17 + round % 60;
    const std::int64_t n = 8 + round * 7 % 80;
    const std::int64_t k = 4 + round * 5 % 90;
    const std::vector<float> a(static_cast<std::size_t>(m * k), 2.0F);
    const std::vector<float> b(static_cast<std::size_t>(n * k), 3.0F);
    std::vector<float> c(static_cast<std::size_t>(m * n));
    const Transpose transpose = round % 2 == 0 ? Transpose::yes : Transpose::no;
    const std::int64_t b_stride = transpose == Transpose::yes ? k : n;

    cpu::sgemm({.m = m, .n = n, .k = k}, {a.data(), k}, {b.data(), b_stride, transpose}, c.data(),
               n);

    wrong += std::count_if(c.begin(), c.end(),
                           [k](float x) { return x != 6.0F * static_cast<float>(k); });
  }
  is_over = true;
  knocker.join();
  std::signal(SIGUSR2, before);

  EXPECT_EQ(wrong, 0);
}

TEST(Blas, GivesEveryThreadItsOwnBuffer) {
  // Many products at once, long enough to overlap: without a lock around the library's buffers two
  // threads sooner or later get the same one.
  constexpr std::int64_t kMany = 100;
  constexpr std::int64_t kRowsEach = 40;
  std::vector<std::int64_t> row_begin;
  for (std::int64_t group = 0; group <= kMany; ++group) row_begin.push_back(kRowsEach * group);
  const auto upload = [&](OnDevice& device) {
    const std::int64_t rows = kMany * kRowsEach;
    return GroupedGemmArguments{
        .rows = device.upload(normal_numbers<float>(rows * 100, 1), {rows, 100}),
        .weights = device.upload(normal_numbers<float>(kMany * 7000, 2), {kMany, 70, 100}),
        .out = device.saved.push(DType::f32, {rows, 70}),
        .row_begin = row_begin};
  };
  OnDevice one(Backend::cpu, 1);
  const GroupedGemmArguments alone = upload(one);
  grouped_gemm(alone, one.scratch, one.stream);
  const std::vector<float> expected = one.download<float>(alone.out);

  OnDevice four(Backend::cpu, 4);
  const GroupedGemmArguments together = upload(four);
  for (int round = 0; round < 300; ++round) {
    grouped_gemm(together, four.scratch, four.stream);
    ASSERT_EQ(four.download<float>(together.out), expected) << "round " << round;
  }
}

/// Groups with nothing in them, with one row, and with enough rows to be cut.
const std::vector<std::int64_t> kRowBegin = {0, 0, 1, 18, 18, 600, 640};
constexpr std::int64_t kGroups = 6;
constexpr std::int64_t kRows = 640;

TEST(GroupedGemm, MultipliesEveryGroupByItsOwnWeights) {
  for (const Backend backend : {Backend::reference, Backend::cpu}) {
    OnDevice device(backend);
    const std::vector<std::int64_t> row_begin = {0, 2, 2, 3};
    const TensorView out = device.saved.push(DType::f32, {3, 1});

    grouped_gemm({.rows = device.upload<float>({1, 2, 3, 4, 5, 6}, {3, 2}),
                  .weights = device.upload<float>({1, 1, 7, 7, 10, 100}, {3, 1, 2}),
                  .out = out,
                  .row_begin = row_begin},
                 device.scratch, device.stream);

    EXPECT_THAT(device.download<float>(out), ElementsAre(3, 7, 650));
  }
}

TEST(GroupedGemm, IsTheSameEverywhere) {
  Everywhere everywhere;
  for (const Transpose transpose : kTransposes) {
    everywhere.expect_same(
        [&](OnDevice& device) {
          const TensorView out = device.saved.push(DType::f32, {kRows, 33});
          grouped_gemm(
              {.rows = device.upload(normal_numbers<float>(kRows * 17, 1), {kRows, 17}),
               .weights = device.upload(
                   normal_numbers<float>(kGroups * 17 * 33, 2),
                   transpose == Transpose::yes ? Shape{kGroups, 33, 17} : Shape{kGroups, 17, 33}),
               .out = out,
               .transpose_weights = transpose,
               .row_begin = kRowBegin},
              device.scratch, device.stream);
          return device.download<float>(out);
        },
        test::kF32Sums);
  }
}

TEST(GroupedGemm, TakesMoreGroupsThanItOrdersAtATime) {
  constexpr std::int64_t kMany = 700;
  std::vector<std::int64_t> row_begin = {0};
  for (std::int64_t group = 0; group < kMany; ++group) {
    row_begin.push_back(row_begin.back() + group % 3);
  }
  const std::int64_t rows = row_begin.back();
  Everywhere everywhere;

  everywhere.expect_same(
      [&](OnDevice& device) {
        const TensorView out = device.saved.push(DType::f32, {rows, 2});
        grouped_gemm({.rows = device.upload(normal_numbers<float>(rows * 3, 1), {rows, 3}),
                      .weights = device.upload(normal_numbers<float>(kMany * 6, 2), {kMany, 2, 3}),
                      .out = out,
                      .row_begin = row_begin},
                     device.scratch, device.stream);
        return device.download<float>(out);
      },
      test::kF32Sums);
}

TEST(GroupedGemm, RefusesGroupsThatDoNotFillTheRows) {
  OnDevice device;
  const auto run = [&](const std::vector<std::int64_t>& row_begin) {
    grouped_gemm({.rows = device.saved.push(DType::f32, {4, 2}),
                  .weights = device.saved.push(DType::f32, {2, 3, 2}),
                  .out = device.saved.push(DType::f32, {4, 3}),
                  .row_begin = row_begin},
                 device.scratch, device.stream);
  };

  EXPECT_THROW(run({0, 4}), InvalidArgument);
  EXPECT_THROW(run({0, 2, 3}), InvalidArgument);
  EXPECT_THROW(run({0, 5, 4}), InvalidArgument);
}

std::vector<float> weight_gradient(OnDevice& device, double beta) {
  const Shape shape{kGroups, 33, 17};
  const TensorView d_weights =
      beta == 0 ? device.saved.push(DType::f32, shape)
                : device.upload(normal_numbers<float>(shape.elements(), 3), shape);
  grouped_gemm_weight(
      {.d_out = device.upload(normal_numbers<float>(kRows * 33, 1, 0.1), {kRows, 33}),
       .rows = device.upload(normal_numbers<float>(kRows * 17, 2), {kRows, 17}),
       .d_weights = d_weights,
       .beta = beta,
       .row_begin = kRowBegin},
      device.scratch, device.stream);
  return device.download<float>(d_weights);
}

TEST(GroupedGemmWeight, IsTheSameEverywhere) {
  Everywhere everywhere;
  for (const double beta : {0.0, 1.0}) {
    everywhere.expect_same([&](OnDevice& device) { return weight_gradient(device, beta); },
                           test::kF32Sums);
  }
}

TEST(GroupedGemmWeight, OverwritesAnEmptyGroupWithZeros) {
  for (const Backend backend : {Backend::reference, Backend::cpu}) {
    OnDevice device(backend);

    std::vector<float> gradient = weight_gradient(device, 0);

    gradient.resize(33 * 17);
    EXPECT_THAT(gradient, Each(0.0F));
  }
}

TEST(GroupedGemmWeight, AddsNothingFromAnEmptyGroup) {
  for (const Backend backend : {Backend::reference, Backend::cpu}) {
    OnDevice device(backend);
    std::vector<float> before = normal_numbers<float>(kGroups * 33 * 17, 3);

    std::vector<float> gradient = weight_gradient(device, 1);

    gradient.resize(33 * 17);
    before.resize(33 * 17);
    EXPECT_EQ(gradient, before);
  }
}

}  // namespace
}  // namespace softmoe::ops
