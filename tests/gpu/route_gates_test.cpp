#include "runtime/ops/route_gates.h"

#include <gmock/gmock.h>

#include "tests/gpu/router_rows.h"

namespace softmoe {
namespace {

using ops::GateForm;
using test::BothResults;
using test::OnDevice;
using test::RowShape;

constexpr std::array kForms = {GateForm::probability, GateForm::excess, GateForm::share,
                               GateForm::equal};

struct Rows {
  RowShape shape;
  std::vector<float> signed_f;
  std::vector<std::int32_t> row_begin = {0};
  std::vector<std::int32_t> columns;
  std::vector<float> d_gate;
};

// Rows of no entry, one, some and all; every sixth has only zeros for p.
Rows random_rows(const RowShape& shape, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::uniform_real_distribution<float> half(0.0F, 0.5F);
  Rows rows{.shape = shape};
  for (std::int64_t row = 0; row < shape.rows; ++row) {
    for (std::int64_t column = 0; column < shape.columns; ++column) {
      const float f = half(random);
      rows.signed_f.push_back(row % 6 == 5 ? -0.0F : (random() % 2 == 0 ? f : -f));
      const std::array<bool, 4> kinds = {false, column == row % shape.columns, random() % 3 == 0,
                                         true};
      if (kinds[static_cast<std::size_t>(row % 4)]) {
        rows.columns.push_back(static_cast<std::int32_t>(column));
      }
    }
    rows.row_begin.push_back(static_cast<std::int32_t>(rows.columns.size()));
  }
  rows.d_gate = test::normals(static_cast<std::int64_t>(rows.columns.size()), seed + 1);
  return rows;
}

struct Gates {
  std::vector<float> gates;
  std::vector<float> d_p;
};

Gates gates_of(OnDevice& device, const Rows& rows, GateForm form) {
  const auto entries = static_cast<std::int64_t>(rows.columns.size());
  const bool reads_p = form != GateForm::equal;
  const ops::RouteGatesArguments forward{
      .sparse = {.row_begin_R1 = device.upload(rows.row_begin),
                 .column_N = device.upload(rows.columns)},
      .signed_f_RC = reads_p ? device.upload(rows.signed_f, rows.shape.tensor()) : TensorView{},
      .form = form,
      .tau = 0.3,
      .gate_N = device.saved.push(DType::f32, {entries})};
  ops::route_gates(forward, device.stream);
  const TensorView d_p = device.saved.push(DType::f32, rows.shape.tensor());
  ops::route_gates_backward(forward, device.upload(rows.d_gate, {entries}), d_p, device.stream);
  return {.gates = device.download<float>(forward.gate_N), .d_p = device.download<float>(d_p)};
}

TEST(RouteGatesOnGpu, EqualTheReferenceInEveryForm) {
  std::uint64_t seed = 1;
  for (const RowShape& shape : test::router_shapes()) {
    const Rows rows = random_rows(shape, ++seed);
    for (const GateForm form : kForms) {
      const BothResults gates([&](OnDevice& device) { return gates_of(device, rows, form); });

      SCOPED_TRACE(testing::Message() << shape.rows << " rows of " << shape.columns << ", form "
                                      << static_cast<int>(form));
      EXPECT_TRUE(test::near(gates.cuda.gates, gates.reference.gates, test::kF32Rounding));
      EXPECT_TRUE(test::near(gates.cuda.d_p, gates.reference.d_p, test::kF32Sums));
    }
  }
}

// Checked by hand: p = (0.75, 0.5, 0.25), entries 0 and 2; then a row whose only entry is below
// tau.
TEST(RouteGatesOnGpu, WeighAsTheirFormSays) {
  OnDevice device(Backend::cuda, 1, test::kRouterArena);
  const Rows rows{.shape = {2, 3},
                  .signed_f = {0.25F, -0.5F, -0.25F, -0.125F, -0.5F, -0.5F},
                  .row_begin = {0, 2, 3},
                  .columns = {0, 2, 0},
                  .d_gate = {1, 2, 4}};

  const auto gates = [&](GateForm form) { return gates_of(device, rows, form).gates; };

  EXPECT_THAT(gates(GateForm::probability), testing::ElementsAre(0.75F, 0.25F, 0.125F));
  EXPECT_THAT(gates(GateForm::excess), testing::ElementsAre(0.75F - 0.3F, 0.25F - 0.3F, 0.125F));
  EXPECT_THAT(gates(GateForm::share), testing::ElementsAre(0.75F, 0.25F, 1.0F));
  EXPECT_THAT(gates(GateForm::equal), testing::ElementsAre(0.5F, 0.5F, 1.0F));
  EXPECT_THAT(gates_of(device, rows, GateForm::share).d_p,
              testing::ElementsAre(-0.25F, 0.0F, 0.75F, 0.0F, 0.0F, 0.0F));
}

}  // namespace
}  // namespace softmoe
