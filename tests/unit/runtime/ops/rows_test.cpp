#include "runtime/ops/rows.h"

#include "tests/support/numbers.h"
#include "tests/unit/runtime/ops/everywhere.h"

namespace softmoe::ops {
namespace {

using test::as_type;
using test::Everywhere;
using test::integers;
using test::normal_numbers;
using test::OnDevice;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::ThrowsMessage;

constexpr Backend kBackends[] = {Backend::reference, Backend::cpu};

TEST(GatherRows, PicksRowsInTheOrderOfTheIndex) {
  for (const Backend backend : kBackends) {
    OnDevice device(backend);
    const TensorView out = device.saved.push(DType::i32, {4, 2});

    gather_rows(device.upload<std::int32_t>({1, 2, 3, 4, 5, 6}, {3, 2}),
                device.upload<std::int32_t>({2, 0, 0, 1}), out, device.stream);

    EXPECT_THAT(device.download<std::int32_t>(out), ElementsAre(5, 6, 1, 2, 1, 2, 3, 4));
  }
}

TEST(GatherRows, TakesNoRowsAndNoColumns) {
  for (const Backend backend : kBackends) {
    OnDevice device(backend);

    EXPECT_NO_THROW(gather_rows(device.saved.push(DType::f32, {0, 5}), View<const std::int32_t>(),
                                device.saved.push(DType::f32, {0, 5}), device.stream));
    EXPECT_NO_THROW(gather_rows(device.saved.push(DType::f32, {2, 0}),
                                device.upload<std::int32_t>({1}),
                                device.saved.push(DType::f32, {1, 0}), device.stream));
    device.stream.synchronize();
  }
}

TEST(GatherRows, NamesARowThatDoesNotExist) {
  for (const Backend backend : kBackends) {
    OnDevice device(backend);
    const auto wrong = [&] {
      gather_rows(device.saved.push(DType::f32, {3, 2}), device.upload<std::int32_t>({0, 3}),
                  device.saved.push(DType::f32, {2, 2}), device.stream);
      device.stream.synchronize();
    };

    EXPECT_THAT(wrong,
                ThrowsMessage<InvalidArgument>(HasSubstr("entry 1 names row 3, but there are 3")));
  }
}

TEST(SumRows, SumsTheRowsOfEachSegment) {
  for (const Backend backend : kBackends) {
    OnDevice device(backend);
    const TensorView out = device.saved.push(DType::f32, {3, 2});

    sum_rows({.rows = device.upload<float>({1, 2, 10, 20, 100, 200}, {3, 2}),
              .place_of_N = device.upload<std::int32_t>({2, 0, 1}),
              .segment_begin = device.upload<std::int32_t>({0, 2, 2, 3}),
              .out = out},
             device.stream);

    EXPECT_THAT(device.download<float>(out), ElementsAre(101, 202, 0, 0, 10, 20));
  }
}

TEST(SumRows, AddsToAnotherTensorOrToItsOwn) {
  for (const Backend backend : kBackends) {
    OnDevice device(backend);
    const TensorView onto = device.upload<float>({1000, 2000}, {2, 1});
    const TensorView out = device.saved.push(DType::f32, {2, 1});
    SumRowsArguments arguments{.rows = device.upload<float>({1, 2}, {2, 1}),
                               .place_of_N = device.upload<std::int32_t>({1, 0}),
                               .segment_begin = device.upload<std::int32_t>({0, 2, 2}),
                               .onto = onto,
                               .out = out};

    sum_rows(arguments, device.stream);
    arguments.out = onto;
    sum_rows(arguments, device.stream);

    EXPECT_THAT(device.download<float>(out), ElementsAre(1003, 2000));
    EXPECT_THAT(device.download<float>(onto), ElementsAre(1003, 2000));
  }
}

TEST(SumRows, RefusesToAddToAnotherShape) {
  OnDevice device(Backend::cpu);

  const auto wrong = [&] {
    sum_rows({.rows = device.upload<float>({1, 2}, {2, 1}),
              .place_of_N = device.upload<std::int32_t>({1, 0}),
              .segment_begin = device.upload<std::int32_t>({0, 2, 2}),
              .onto = device.upload<float>({1000}, {1, 1}),
              .out = device.saved.push(DType::f32, {2, 1})},
             device.stream);
  };

  EXPECT_THAT(wrong, ThrowsMessage<InvalidArgument>(HasSubstr("onto")));
}

std::vector<float> sum_of_some(OnDevice& device, std::int64_t columns, bool adds) {
  constexpr std::int64_t kSegments = 300;
  std::vector<std::int32_t> begin = {0};
  for (std::int32_t s = 0; s < kSegments; ++s) begin.push_back(begin.back() + s % 5);
  const TensorView out = device.saved.push(DType::f32, {kSegments, columns});
  ConstTensorView onto;
  if (adds)
    onto = device.upload(normal_numbers<float>(kSegments * columns, 2), {kSegments, columns});
  sum_rows({.rows = device.upload(normal_numbers<float>(50 * columns, 1), {50, columns}),
            .place_of_N = device.upload(integers(begin.back(), 50, 3)),
            .segment_begin = device.upload(begin),
            .onto = onto,
            .out = out},
           device.stream);
  return device.download<float>(out);
}

TEST(SumRows, IsTheSameEverywhere) {
  Everywhere everywhere;
  for (const std::int64_t columns : test::kOddSizes) {
    for (const bool adds : {false, true}) {
      everywhere.expect_same([&](OnDevice& device) { return sum_of_some(device, columns, adds); },
                             {.relative = 0,
                              .absolute = 0,
                              .reason = "the order of additions is part of the contract"});
    }
  }
}

TEST(SumRows, SumsBf16InFloatAndRoundsOnce) {
  OnDevice device(Backend::reference);
  // In bf16, 256 + 1 is 256 again; 256 + 1 + 1 in float is 258, which bf16 has.
  const TensorView out = device.saved.push(DType::bf16, {1, 1});

  sum_rows({.rows = device.upload<Bf16>({Bf16(256.0F), Bf16(1.0F)}, {2, 1}),
            .place_of_N = device.upload<std::int32_t>({0, 1, 1}),
            .segment_begin = device.upload<std::int32_t>({0, 3}),
            .out = out},
           device.stream);

  EXPECT_THAT(as_type<float>(device.download<Bf16>(out)), ElementsAre(258.0F));
}

TEST(AddToRows, AddsEveryEntryToItsRow) {
  for (const Backend backend : kBackends) {
    OnDevice device(backend);
    const TensorView table = device.upload<float>({1000, 2000, 3000}, {3, 1});

    add_to_rows(device.upload<float>({1, 10, 100}, {3, 1}), device.upload<std::int32_t>({2, 0, 2}),
                table, device.stream);

    EXPECT_THAT(device.download<float>(table), ElementsAre(1010, 2000, 3101));
  }
}

TEST(AddToRows, IsTheSameEverywhere) {
  Everywhere everywhere;
  for (const std::int64_t columns : test::kOddSizes) {
    everywhere.expect_same(
        [&](OnDevice& device) {
          const TensorView table =
              device.upload(normal_numbers<float>(7 * columns, 1), {7, columns});
          add_to_rows(device.upload(normal_numbers<float>(99 * columns, 2), {99, columns}),
                      device.upload(integers(99, 7, 3)), table, device.stream);
          return device.download<float>(table);
        },
        {.relative = 0, .absolute = 0, .reason = "entries are added in rising order"});
  }
}

TEST(AddToRows, IsTheGradientOfAGather) {
  // <gather(table), d_out> = <table, add_to_rows(0, d_out)> for every table and d_out.
  OnDevice device(Backend::reference);
  const auto table = normal_numbers<double>(5 * 3, 1);
  const auto d_out = normal_numbers<double>(8 * 3, 2);
  const View<const std::int32_t> index = device.upload(integers(8, 5, 3));
  const TensorView out = device.saved.push(DType::f64, {8, 3});
  const TensorView d_table = device.upload(std::vector<double>(15, 0.0), {5, 3});

  gather_rows(device.upload(table, {5, 3}), index, out, device.stream);
  add_to_rows(device.upload(d_out, {8, 3}), index, d_table, device.stream);

  double forward = 0;
  double backward = 0;
  const auto gathered = device.download<double>(out);
  const auto gradient = device.download<double>(d_table);
  for (std::size_t i = 0; i < gathered.size(); ++i) forward += gathered[i] * d_out[i];
  for (std::size_t i = 0; i < gradient.size(); ++i) backward += gradient[i] * table[i];
  EXPECT_NEAR(forward, backward, 1e-12);
}

}  // namespace
}  // namespace softmoe::ops
