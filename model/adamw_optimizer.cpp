#include "model/adamw_optimizer.h"

#include <algorithm>

#include "runtime/config/check.h"
#include "runtime/config/reader.h"
#include "runtime/ops/adamw.h"
#include "runtime/ops/elementwise.h"
#include "runtime/ops/exact_sum.h"
#include "runtime/ops/fixed_point.h"

namespace softmoe::model {

namespace {

std::size_t index(Space space) {
  return static_cast<std::size_t>(space);
}

bool decays(ParameterGroup group) {
  return group == ParameterGroup::matrix || group == ParameterGroup::router;
}

}  // namespace

void OptimizerConfig::bind(config::Reader& reader) {
  using config::Range;
  reader.value("learning_rate", learning_rate, Range{.above = 0}, "peak learning rate");
  reader.value("final_ratio", final_ratio, Range{.min = 0, .max = 1},
               "learning rate at the end of the cosine, as a part of the peak");
  reader.value("warmup_steps", warmup_steps, Range{.min = 0}, "steps of linear warm-up");
  reader.value("beta1", beta1, Range{.min = 0, .max = 0.9999}, "decay of the first moment");
  reader.value("beta2", beta2, Range{.min = 0, .max = 0.999999}, "decay of the second moment");
  reader.value("epsilon", epsilon, Range{.above = 0}, "added to the root of the second moment");
  reader.value("weight_decay", weight_decay, Range{.min = 0}, "decoupled decay of matrices");
  reader.value("clip_norm", clip_norm, Range{.min = 0},
               "largest norm of the whole gradient; 0: any");
  reader.value("router_ratio", router_ratio, Range{.min = 0},
               "learning rate of router projections, as a multiple");
  reader.value("layer_means_rate", layer_means_rate, Range{.min = 0},
               "peak learning rate of the layers' mean numbers of experts");
  reader.value("layer_means_freeze", layer_means_freeze, Range{.min = 0, .max = 1},
               "part of the run before they start to learn");
}

void OptimizerConfig::validate(config::Check&) const {}

double GroupRates::of(ParameterGroup group) const {
  switch (group) {
    case ParameterGroup::matrix:
      return matrix;
    case ParameterGroup::vector:
      return vector;
    case ParameterGroup::router:
      return router;
    case ParameterGroup::layer_means:
      return layer_means;
  }
  return 0;
}

Bytes moment_bytes(std::int64_t owned, DType parameters) {
  return Bytes(owned * size_of(compute_type_of(parameters)));
}

AdamwOptimizer::AdamwOptimizer(const OptimizerConfig& config, const ParameterStore& parameters,
                               std::array<parallel::FlatShards::Range, 2> owned, Device& device,
                               Stream& stream)
    : config_(config), parameters_(&parameters), owned_(owned) {
  for (const ParameterInfo& info : parameters.infos()) {
    const auto [owned_begin, owned_end] = owned_[index(info.space)];
    const std::int64_t begin = std::max(info.offset, owned_begin);
    const std::int64_t end = std::min(info.offset + info.shape.elements(), owned_end);
    if (begin < end) pieces_.push_back({info.space, info.group, begin, end});
  }
  const DType dtype = compute_type_of(parameters.dtype());
  for (const std::size_t space : {0, 1}) {
    const Bytes size = moment_bytes(owned_[space].size(), parameters.dtype());
    for (auto* moments : {&first_moments_, &second_moments_}) {
      (*moments)[space] = DeviceBuffer(device, size);
      ops::fill_zero((*moments)[space].tensor(dtype, {owned_[space].size()}), stream);
    }
  }
}

void AdamwOptimizer::sum_squares(View<double> sum, Arena& scratch, Stream& stream) const {
  const ArenaScope scope(scratch);
  const TensorView total(sum, {1});
  ops::fill_zero(total, stream);
  for (const Space space : {Space::dense, Space::expert}) {
    const auto [begin, end] = owned_[index(space)];
    const View<double> part = scratch.push<double>(1);
    ops::sum_squares(parameters_->gradients(space).rows(begin, end), part, stream);
    ops::add(TensorView(part, {1}), total, stream);
  }
}

template <class Body>
void AdamwOptimizer::for_gradients(const Piece& piece, Arena& scratch, Stream& stream,
                                   const Body& body) const {
  const TensorView gradients = parameters_->gradients(piece.space);
  const std::optional<FixedPoint>& exact = parameters_->exact();
  if (!exact) {
    body(piece, gradients.rows(piece.begin, piece.end));
    return;
  }
  for (Piece part = piece; part.begin < piece.end; part.begin = part.end) {
    part.end = std::min(piece.end, part.begin + kSlice);
    const ArenaScope scope(scratch);
    const TensorView numbers = scratch.push(parameters_->dtype(), {part.end - part.begin});
    ops::from_fixed(gradients.as<std::int64_t>().part(part.begin, part.end), *exact, numbers,
                    stream);
    body(part, numbers);
  }
}

void AdamwOptimizer::add_squares(View<std::int64_t> sum_5, Arena& scratch, Stream& stream) const {
  for (const Piece& piece : pieces_) {
    for_gradients(piece, scratch, stream, [&](const Piece& /*part*/, ConstTensorView gradient) {
      ops::exact_add_squares(gradient, sum_5, stream);
    });
  }
}

void AdamwOptimizer::update(const GroupRates& rates, double gradient_scale, Arena& scratch,
                            Stream& stream) {
  ++updates_;
  if (rates.layer_means > 0) ++layer_means_updates_;
  for (const Piece& piece : pieces_) {
    const double rate = rates.of(piece.group);
    const bool is_layer_means = piece.group == ParameterGroup::layer_means;
    if (is_layer_means && rate == 0) continue;
    for_gradients(piece, scratch, stream, [&](const Piece& part, ConstTensorView gradient) {
      ops::adamw({.parameter = parameters_->values(part.space).rows(part.begin, part.end),
                  .gradient = gradient,
                  .first_moment = moment(first_moments_[index(part.space)], part),
                  .second_moment = moment(second_moments_[index(part.space)], part),
                  .gradient_scale = gradient_scale,
                  .learning_rate = rate,
                  .beta1 = config_.beta1,
                  .beta2 = config_.beta2,
                  .epsilon = config_.epsilon,
                  .weight_decay = decays(part.group) ? config_.weight_decay : 0.0,
                  .update = is_layer_means ? layer_means_updates_ : updates_},
                 stream);
    });
  }
}

TensorView AdamwOptimizer::moment(const DeviceBuffer& buffer, const Piece& piece) const {
  const auto [begin, end] = owned_[index(piece.space)];
  return buffer.tensor(compute_type_of(parameters_->dtype()), {end - begin})
      .rows(piece.begin - begin, piece.end - begin);
}

}  // namespace softmoe::model
