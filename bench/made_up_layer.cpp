#include "bench/made_up_layer.h"

#include "bench/made_up_numbers.h"
#include "runtime/ops/convert.h"
#include "runtime/ops/elementwise.h"

namespace softmoe::bench {

namespace {

/// The router computes in f32 whatever rows are stored in.
constexpr DType kScore = DType::f32;

router::RouterConfig router_of(const LayerSize& size, router::RouterKind kind) {
  return {.kind = kind, .top_k = static_cast<int>(size.rows / size.tokens), .balance = 0};
}

router::LayerSetting setting_of(const LayerSize& size, router::RouterKind kind,
                                std::int64_t tokens) {
  router::LayerSetting setting{.k = static_cast<double>(size.rows) /
                                    static_cast<double>(size.tokens)};
  if (kind == router::RouterKind::softmoe) setting.quota = size.rows * tokens / size.tokens;
  return setting;
}

template <class T>
std::vector<T> downloaded(View<const T> source, Stream& stream) {
  HostBuffer<T> landed;
  const HostCopy<T> copy(source, landed, stream);
  const auto numbers = copy.wait();
  return {numbers.begin(), numbers.end()};
}

}  // namespace

MadeUpLayer::MadeUpLayer(const LayerSize& size, router::RouterKind kind, std::int64_t tokens,
                         parallel::Communicator& alone, Workspace& work)
    : work_(work),
      router_(router_of(size, kind)),
      placement_(static_cast<int>(size.experts), alone.size()),
      layer_(router_, placement_, alone, {}),
      arguments_{.setting = setting_of(size, kind, tokens), .tokens = {.seed = 1}} {
  const DType stored = size.element == 2 ? DType::bf16 : DType::f32;
  const double scale_H = 1.0 / std::sqrt(static_cast<double>(size.hidden));
  const double scale_F = 1.0 / std::sqrt(static_cast<double>(size.inner));
  weights_ = {
      .router_EH = parameter(kScore, {size.experts, size.hidden}, 1, scale_H),
      .gain_1 = parameter(kScore, {1}, 2, 1.0),
      .ffn = {.gate_up_e2FH =
                  parameter(stored, {size.experts, 2 * size.inner, size.hidden}, 3, scale_H),
              .down_eHF = parameter(stored, {size.experts, size.hidden, size.inner}, 4, scale_F)}};
  const router::CountPlaces places{static_cast<int>(size.experts)};
  statistics_ = {.counts = zeros(DType::i64, {places.size()}).as<std::int64_t>(),
                 .sums = zeros(DType::f64, {router::kNumRouteSums}).as<double>()};
  const Shape shape_TH{tokens, size.hidden};
  x_TH_ = numbers(stored, shape_TH, 5, 1.0);
  d_y_TH_ = numbers(stored, shape_TH, 6, 1.0);
  y_TH_ = zeros(stored, shape_TH);
  d_x_TH_ = zeros(stored, shape_TH);
  d_k_ = zeros(DType::f64, {1});
}

TensorView MadeUpLayer::numbers(DType dtype, Shape shape, std::uint64_t seed, double scale) {
  const TensorView tensor = work_.saved.push(dtype, shape);
  visit_float(dtype, [&]<class T>() { make_up(tensor.as<T>(), seed, scale, work_.compute); });
  return tensor;
}

TensorView MadeUpLayer::zeros(DType dtype, Shape shape) {
  const TensorView tensor = work_.saved.push(dtype, shape);
  ops::fill_zero(tensor, work_.compute);
  return tensor;
}

Parameter MadeUpLayer::parameter(DType dtype, Shape shape, std::uint64_t seed, double scale) {
  return {.value = numbers(dtype, shape, seed, scale), .gradient = zeros(dtype, shape)};
}

void MadeUpLayer::forward(const router::RoutePlan* given) {
  saved_mark_ = work_.saved.mark();
  router::RouteArguments arguments = arguments_;
  arguments.given = given;
  if (given != nullptr) arguments.setting.quota.reset();
  layer_.forward(weights_, x_TH_, /*residual_TH=*/{}, y_TH_, arguments, statistics_, work_);
}

void MadeUpLayer::backward() {
  layer_.backward(weights_, d_y_TH_, /*onto_TH=*/{}, d_x_TH_, d_k_, work_);
  work_.saved.release(saved_mark_);
}

TokenExperts MadeUpLayer::choices(std::int64_t tokens) const {
  const router::RoutePlan& plan = layer_.plan();
  TokenExperts choices;
  choices.row_begin_T1 =
      downloaded(View<const std::int32_t>(plan.row_begin_T1.part(0, tokens + 1)), work_.compute);
  choices.expert_N = downloaded(
      View<const std::int32_t>(plan.expert_N.part(0, choices.row_begin_T1.back())), work_.compute);
  return choices;
}

std::vector<float> MadeUpLayer::on_host(TensorView numbers_TH, std::int64_t tokens) const {
  const ArenaScope scope(work_.scratch);
  const TensorView first = numbers_TH.rows(0, tokens);
  const TensorView wide = work_.scratch.push(DType::f32, first.shape());
  ops::convert(first, wide, work_.compute);
  return downloaded(View<const float>(wide.as<float>()), work_.compute);
}

}  // namespace softmoe::bench
