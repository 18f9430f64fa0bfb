#include "runtime/ops/attention.h"

#include "tests/support/central_difference.h"
#include "tests/support/numbers.h"
#include "tests/unit/runtime/ops/everywhere.h"

namespace softmoe::ops {
namespace {

using test::as_type;
using test::central_differences;
using test::Everywhere;
using test::joined;
using test::normal_numbers;
using test::OnDevice;
using test::weighed;

/// Attention over one projection [q | k | v] per token, as a model has it.
template <class T>
struct Case {
  AttentionShape shape;
  std::vector<T> qkv;

  [[nodiscard]] std::int64_t rows() const { return shape.sequences * shape.keys; }
  [[nodiscard]] std::int64_t o_columns() const {
    return std::int64_t{shape.heads} * shape.head_size;
  }
  [[nodiscard]] std::int64_t kv_columns() const {
    return std::int64_t{shape.kv_heads} * shape.head_size;
  }
  [[nodiscard]] std::int64_t columns() const { return o_columns() + 2 * kv_columns(); }

  [[nodiscard]] AttentionArguments on(OnDevice& device) const {
    const TensorView projection = device.upload(qkv, {rows(), columns()});
    return {.shape = shape,
            .q = projection,
            .k = projection,
            .k_column = o_columns(),
            .v = projection,
            .v_column = o_columns() + kv_columns(),
            .key_stride = shape.keys,
            .o = device.saved.push(dtype_of<T>, {rows(), o_columns()}),
            .log_sum = device.saved.push(dtype_of<ComputeOf<T>>, {rows(), shape.heads})};
  }
};

template <class T>
Case<T> square(std::int64_t sequences, std::int64_t length, int heads, int kv_heads,
               int head_size) {
  Case<T> result{.shape = {.sequences = sequences,
                           .queries = length,
                           .keys = length,
                           .heads = heads,
                           .kv_heads = kv_heads,
                           .head_size = head_size},
                 .qkv = {}};
  result.qkv = normal_numbers<T>(result.rows() * result.columns(), 1);
  return result;
}

TEST(Attention, MatchesNumbersCheckedByHand) {
  for (const Backend backend : {Backend::reference, Backend::cpu}) {
    OnDevice device(backend);
    // D = 1: scores of token 1 are ln 3 * 1 and ln 3 * 0, so its weights are 3/4 and 1/4.
    Case<float> two_tokens{.shape = {.sequences = 1, .queries = 2, .keys = 2, .head_size = 1},
                           .qkv = {5, 1, 8, std::log(3.0F), 0, 4}};
    const AttentionArguments arguments = two_tokens.on(device);

    attention(arguments, device.scratch, device.stream);

    EXPECT_TRUE(test::near(device.download<float>(arguments.o), std::vector<float>{8, 7},
                           test::kF32Rounding));
    EXPECT_TRUE(test::near(device.download<float>(arguments.log_sum),
                           std::vector<double>{5, std::log(4.0)}, test::kF32Rounding));
  }
}

std::vector<double> forward_f64(OnDevice& device, Case<double> c, const std::vector<double>& qkv) {
  const ArenaScope scope(device.saved);
  c.qkv = qkv;
  const AttentionArguments arguments = c.on(device);
  attention(arguments, device.scratch, device.stream);
  return device.download<double>(arguments.o);
}

TEST(AttentionBackward, AgreesWithCentralDifferences) {
  const Case<double> c = square<double>(2, 3, 2, 1, 2);
  const auto d_o = normal_numbers<double>(c.rows() * c.o_columns(), 2);
  OnDevice device(Backend::reference);
  const AttentionArguments forward = c.on(device);
  const TensorView d_qkv = device.saved.push(DType::f64, {c.rows(), c.columns()});

  attention(forward, device.scratch, device.stream);
  attention_backward({.forward = forward,
                      .d_o = device.upload(d_o, {c.rows(), c.o_columns()}),
                      .d_q = d_qkv,
                      .d_k = d_qkv,
                      .d_v = d_qkv},
                     device.scratch, device.stream);

  EXPECT_TRUE(
      test::near(device.download<double>(d_qkv),
                 central_differences(
                     c.qkv, [&](const auto& x) { return weighed(forward_f64(device, c, x), d_o); }),
                 test::kCentralDifference));
}

std::vector<float> forward_and_backward(OnDevice& device, const Case<float>& c) {
  const AttentionArguments forward = c.on(device);
  const TensorView d_qkv = device.saved.push(DType::f32, {c.rows(), c.columns()});
  const auto d_o = normal_numbers<float>(c.rows() * c.o_columns(), 2);
  attention(forward, device.scratch, device.stream);
  attention_backward({.forward = forward,
                      .d_o = device.upload(d_o, {c.rows(), c.o_columns()}),
                      .d_q = d_qkv,
                      .d_k = d_qkv,
                      .d_v = d_qkv},
                     device.scratch, device.stream);
  return joined(device.download<float>(forward.o), device.download<float>(forward.log_sum),
                device.download<float>(d_qkv));
}

class AttentionOfLength : public testing::TestWithParam<int> {};

TEST_P(AttentionOfLength, IsTheSameEverywhere) {
  Everywhere everywhere;
  const Case<float> c = square<float>(2, GetParam(), 4, 2, 6);

  everywhere.expect_same([&](OnDevice& device) { return forward_and_backward(device, c); },
                         test::kF32Sums);
}

// One query block and several, one key block (256 keys) and two.
INSTANTIATE_TEST_SUITE_P(OddLengths, AttentionOfLength,
                         testing::Values(0, 1, 3, 17, 64, 65, 255, 321));

TEST(Attention, TakesNoSequences) {
  Everywhere everywhere;
  const Case<float> c = square<float>(0, 5, 2, 2, 4);

  everywhere.expect_same([&](OnDevice& device) { return forward_and_backward(device, c); },
                         test::kF32Sums);
}

TEST(Attention, LeavesScratchAsItWas) {
  OnDevice device;
  const Arena::Mark before = device.scratch.mark();

  (void)forward_and_backward(device, square<float>(1, 9, 1, 1, 4));

  EXPECT_EQ(device.scratch.mark(), before);
}

/// The last `queries` tokens of the same sequences against a cache with room for more keys.
std::vector<float> last_queries(OnDevice& device, const Case<float>& c, std::int64_t queries) {
  const std::int64_t length = c.shape.keys;
  const std::int64_t capacity = length + 5;
  AttentionArguments arguments = c.on(device);
  const TensorView cache =
      device.saved.push(DType::f32, {c.shape.sequences * capacity, c.columns()});
  const TensorView recent =
      device.saved.push(DType::f32, {c.shape.sequences * queries, c.columns()});
  for (std::int64_t s = 0; s < c.shape.sequences; ++s) {
    const auto copy_rows = [&](std::int64_t from, TensorView to) {
      const ConstTensorView rows = arguments.k.rows(from, from + to.dim(0));
      device.stream.run([rows, to] {
        std::copy_n(rows.as<float>().data(), rows.elements(), to.as<float>().data());
      });
    };
    copy_rows(s * length, cache.rows(s * capacity, s * capacity + length));
    copy_rows((s + 1) * length - queries, recent.rows(s * queries, (s + 1) * queries));
  }
  arguments.shape.queries = queries;
  arguments.q = recent;
  arguments.k = cache;
  arguments.v = cache;
  arguments.key_stride = capacity;
  arguments.o = device.saved.push(DType::f32, {recent.dim(0), c.o_columns()});
  arguments.log_sum = device.saved.push(DType::f32, {recent.dim(0), c.shape.heads});
  attention(arguments, device.scratch, device.stream);
  return device.download<float>(arguments.o);
}

TEST(Attention, OfTheLastQueriesOverACacheEqualsTheWhole) {
  const Case<float> c = square<float>(2, 300, 2, 1, 8);
  OnDevice specification(Backend::reference);
  const AttentionArguments whole = c.on(specification);
  attention(whole, specification.scratch, specification.stream);
  const auto all = specification.download<float>(whole.o);
  for (const std::int64_t queries : {1, 2, 70}) {
    std::vector<float> expected;
    for (std::int64_t s = 1; s <= 2; ++s) {
      const auto end = all.begin() + s * 300 * c.o_columns();
      expected.insert(expected.end(), end - queries * c.o_columns(), end);
    }

    for (const Backend backend : {Backend::reference, Backend::cpu}) {
      OnDevice device(backend);
      EXPECT_TRUE(test::near(last_queries(device, c, queries), expected, test::kF32Rounding));
    }
  }
}

TEST(Attention, SurvivesScoresFarApart) {
  for (const Backend backend : {Backend::reference, Backend::cpu}) {
    OnDevice device(backend);
    Case<float> c = square<float>(1, 300, 1, 1, 4);
    for (float& value : c.qkv) value *= 30;  // scores of some thousand
    const AttentionArguments arguments = c.on(device);

    attention(arguments, device.scratch, device.stream);

    for (const float value : device.download<float>(arguments.o)) {
      EXPECT_TRUE(std::isfinite(value));
    }
  }
}

TEST(Attention, KeepsBf16StorageNearF64) {
  OnDevice device(Backend::reference);
  const Case<double> shape = square<double>(1, 5, 2, 1, 4);
  const Case<Bf16> rounded{.shape = shape.shape, .qkv = as_type<Bf16>(shape.qkv)};
  const AttentionArguments arguments = rounded.on(device);

  attention(arguments, device.scratch, device.stream);

  EXPECT_TRUE(test::near(as_type<float>(device.download<Bf16>(arguments.o)),
                         forward_f64(device, shape, as_type<double>(rounded.qkv)),
                         test::kBf16Rounding));
}

TEST(Attention, RefusesShapesThatDoNotFit) {
  OnDevice device;
  const AttentionArguments good = square<float>(1, 4, 2, 1, 4).on(device);

  AttentionArguments bad = good;
  bad.shape.kv_heads = 3;
  EXPECT_THROW(attention(bad, device.scratch, device.stream), InvalidArgument);
  bad = good;
  bad.shape.queries = 5;
  EXPECT_THROW(attention(bad, device.scratch, device.stream), InvalidArgument);
  bad = good;
  bad.v_column += 1;
  EXPECT_THROW(attention(bad, device.scratch, device.stream), InvalidArgument);
}

}  // namespace
}  // namespace softmoe::ops
