#include "bench/step_ceiling.h"

#include <algorithm>
#include <numeric>

#include "bench/uploaded.h"
#include "runtime/base/philox.h"
#include "runtime/ops/elementwise.h"
#include "runtime/ops/rows.h"

namespace softmoe::bench {

namespace {

using model::Space;

int expert_ranks(const launcher::RunConfig& config, int world) {
  return config.parallel.expert_parallel == 0 ? world : config.parallel.expert_parallel;
}

/// A store with memory, as a rank of the run has it.
model::ParameterStore declare(const launcher::RunConfig& config, int experts_here,
                              model::TransformerIds& ids, Workspace& work) {
  model::ParameterStore store(DType::f32, ExpertId(0));
  ids = model::declare_parameters(config.model, experts_here, store);
  store.allocate(config.training.seed, work.compute.device(), work.compute);
  return store;
}

std::array<parallel::FlatShards::Range, 2> owned(const model::ParameterStore& store, int world,
                                                 int replicas) {
  const auto part = [](std::int64_t elements, int ranks) {
    return parallel::FlatShards::Range{.begin = 0, .end = (elements + ranks - 1) / ranks};
  };
  return {part(store.elements(Space::dense), world), part(store.elements(Space::expert), replicas)};
}

}  // namespace

std::string_view name_of(CeilingPart part) {
  constexpr std::array<std::string_view, kNumCeilingParts> names = {
      "linear", "experts", "attention", "elementwise", "optimizer"};
  return names[static_cast<std::size_t>(part)];
}

double CeilingPass::flops() const {
  return std::accumulate(part_flops.begin(), part_flops.end(), 0.0);
}

StepCeiling::StepCeiling(const launcher::RunConfig& config, int world, Workspace& work)
    : config_(config),
      model_(config.model),
      work_(work),
      world_(world),
      lanes_((config.training.lanes + world - 1) / world),
      experts_here_(config.model.experts.num_experts / expert_ranks(config, world)),
      tokens_(std::int64_t{config.training.lane_sequences} * config.model.positions),
      parameters_(declare(config, experts_here_, ids_, work)),
      optimizer_(config.optimizer, parameters_,
                 owned(parameters_, world, world / expert_ranks(config, world)),
                 work.compute.device(), work.compute) {
  std::vector<std::int32_t> token_T;
  std::vector<std::int32_t> position_T;
  for (std::int64_t t = 0; t < tokens_; ++t) {
    const auto words = philox({.seed = 3}, static_cast<std::uint64_t>(t));
    token_T.push_back(
        static_cast<std::int32_t>(words[0] % static_cast<unsigned>(model_.vocabulary)));
    position_T.push_back(static_cast<std::int32_t>(t % model_.positions));
  }
  token_T_ = uploaded(token_T, work);
  position_T_ = uploaded(position_T, work);
  d_tokens_TH_ = filled(tokens_, model_.hidden, d_tokens_buffer_);
}

TensorView StepCeiling::filled(std::int64_t rows, std::int64_t columns, DeviceBuffer& buffer) {
  std::vector<float> values(static_cast<std::size_t>(rows * columns));
  for (std::size_t i = 0; i < values.size(); ++i) {
    const auto words = philox({.seed = 4}, i);
    values[i] = static_cast<float>(uniform_from(words[0]) - 0.5);
  }
  buffer = uploaded(values, work_);
  return buffer.tensor(DType::f32, {rows, columns});
}

void StepCeiling::reserve_rows(std::int64_t rows) {
  if (rows <= row_room_) return;
  row_room_ = rows;
  rows_MH_ = filled(rows, model_.hidden, rows_buffer_);
  d_rows_MH_ = filled(rows, model_.hidden, d_rows_buffer_);
  gate_M_ = filled(rows, 1, gate_buffer_).reshaped({rows});
}

std::int64_t StepCeiling::rows_of_lane(int lane, std::int64_t rows) const {
  const std::int64_t here = rows / world_;
  return here * (lane + 1) / lanes_ - here * lane / lanes_;
}

CeilingPass StepCeiling::run(std::span<const std::int64_t> rows_L) {
  require(std::cmp_equal(rows_L.size(), model_.moe_layers()),
          "the ceiling is given the rows of every layer with experts");
  std::int64_t most = 0;
  for (const std::int64_t rows : rows_L)
    for (int lane = 0; lane < lanes_; ++lane) most = std::max(most, rows_of_lane(lane, rows));
  reserve_rows(most);
  pass_ = {};
  pass_.part_flops = flops(std::accumulate(rows_L.begin(), rows_L.end(), std::int64_t{0}));
  const auto begin = std::chrono::steady_clock::now();
  for (int lane = 0; lane < lanes_; ++lane) run_lane(lane, rows_L);
  update();
  work_.compute.synchronize();
  pass_.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  return pass_;
}

void StepCeiling::run_lane(int lane, std::span<const std::int64_t> rows_L) {
  const ArenaScope saved_scope(work_.saved);
  const ArenaScope scratch_scope(work_.scratch);
  first_beta_ = lane == 0 ? 0.0 : 1.0;
  const Shape shape_TH{tokens_, model_.hidden};
  TensorView x_TH = work_.saved.push(DType::f32, shape_TH);
  const View<const std::int32_t> token_T = token_T_.as<std::int32_t>();
  on_clock(CeilingPart::elementwise, [&] {
    ops::gather_rows(parameters_[ids_.embedding].value, token_T, x_TH, work_.compute);
  });
  std::vector<Saved> blocks(static_cast<std::size_t>(model_.layers));
  for (int layer = 0; layer < model_.layers; ++layer) {
    const int moe_layer = layer - model_.dense_layers;
    const std::int64_t rows =
        moe_layer < 0 ? 0 : rows_of_lane(lane, rows_L[static_cast<std::size_t>(moe_layer)]);
    x_TH = forward(layer, blocks[static_cast<std::size_t>(layer)], x_TH, rows);
  }
  const TensorView d_x_TH = work_.scratch.push(DType::f32, shape_TH);
  loss(x_TH, d_x_TH);
  for (int layer = model_.layers - 1; layer >= 0; --layer)
    backward(layer, blocks[static_cast<std::size_t>(layer)], d_x_TH);
  on_clock(CeilingPart::elementwise, [&] {
    const TensorView d_table = parameters_[ids_.embedding].gradient;
    // A tied table already holds the gradient of the output.
    if (lane == 0 && !model_.tied_embeddings) ops::fill_zero(d_table, work_.compute);
    ops::add_to_rows(d_x_TH, token_T, d_table, work_.compute);
  });
}

void StepCeiling::update() {
  const ArenaScope scope(work_.scratch);
  on_clock(CeilingPart::optimizer, [&] {
    const View<double> square = work_.scratch.push<double>(1);
    optimizer_.sum_squares(square, work_.scratch, work_.compute);
    constexpr double kRate = 1e-6;
    optimizer_.update({.matrix = kRate, .vector = kRate, .router = kRate, .layer_means = kRate},
                      1.0 / static_cast<double>(tokens_), work_.scratch, work_.compute);
  });
}

std::array<double, kNumCeilingParts> StepCeiling::flops(std::int64_t rows) const {
  const double hidden = model_.hidden;
  const double heads = model_.heads * model_.head_size();
  const double tokens = static_cast<double>(tokens_ * lanes_);
  // Forward 2 m n k, backward twice that. The causal half of attention only.
  const double per_token = model_.layers * (hidden * model_.qkv_columns() + hidden * heads) +
                           model_.dense_layers * 3.0 * hidden * model_.dense_inner +
                           model_.moe_layers() * 3.0 * hidden * model_.shared_inner +
                           hidden * model_.vocabulary;
  const double attention = model_.layers * heads * (model_.positions + 1);
  const double rows_here = static_cast<double>(rows) / world_;
  return {6.0 * tokens * per_token, 6.0 * rows_here * 3.0 * hidden * model_.experts.inner,
          6.0 * tokens * attention, 0.0, 0.0};
}

}  // namespace softmoe::bench
