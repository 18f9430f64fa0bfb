// The gradient of the whole model's loss against central differences in fp64, for every kind of
// parameter: through the gates, the truncation (mask given), the budget simplex and the balance
// loss.

#include <gtest/gtest.h>

#include <cmath>
#include <set>
#include <utility>

#include "parallel/local/local_world.h"
#include "runtime/ops/elementwise.h"
#include "tests/support/tiny_model.h"

namespace softmoe::test {
namespace {

constexpr double kTotalMass = 3.3;  // for two MoE layers of four experts
constexpr model::RoutingControl kControl{.alpha = 0.7, .lambda = 0.1};

/// A model, a batch, and the experts that its tokens run.
class WholeModel {
 public:
  /// @param quota_L rows that the batch of ten tokens runs in each MoE layer; empty: no quota
  explicit WholeModel(const model::ModelConfig& config, std::vector<std::int64_t> quota_L = {})
      : config_(config),
        quota_L_(std::move(quota_L)),
        on_(Backend::reference),
        alone_(parallel::LocalWorld(1).communicator(Rank(0))),
        model_({.config = config_,
                .ep = *alone_,
                .total_mass = kTotalMass,
                .dtype = DType::f64,
                .seed = 3},
               on_.device, on_.stream),
        loss_(on_.saved.push(DType::f64, {1})) {
    shake(parameters(), 0.1, on_);
    batch_ = tiny_batch(on_, config_, /*sequences=*/2, /*positions=*/5);
    // Balance coefficients as after a step with uneven loads.
    const int per_layer = model_.routing().counts_per_layer();
    const router::CountPlaces places{config_.experts.num_experts};
    std::vector<std::int64_t> counts(static_cast<std::size_t>(per_layer * config_.moe_layers()));
    for (int layer = 0; layer < config_.moe_layers(); ++layer) {
      std::int64_t* of_layer = counts.data() + layer * per_layer;
      for (int expert = 0; expert < config_.experts.num_experts; ++expert) {
        of_layer[places.load(expert)] = 3 + 2 * expert;
        of_layer[places.rows()] += 3 + 2 * expert;
      }
      of_layer[places.tokens()] = 10;
    }
    model_.routing().set_balance(counts, on_.stream);
    on_.stream.synchronize();
  }

  model::ParameterStore& parameters() { return model_.parameters(); }
  OnDevice& on() { return on_; }

  /// Leaves the gradients in the parameter store and remembers which experts ran.
  double loss_and_gradient() {
    begin();
    parameters().zero_gradients(on_.stream);
    model_.add_loss_and_gradient(batch_, context(), loss_, on_.work);
    model_.routing().fold_layer_means_gradient(model_.eta(), on_.work);
    std::vector<std::vector<std::int32_t>> begins;
    std::vector<std::vector<std::int32_t>> experts;
    for (int layer = 0; layer < config_.moe_layers(); ++layer) {
      const router::RoutePlan& plan = model_.moe(layer).plan();
      begins.push_back(on_.download(View<const std::int32_t>(plan.row_begin_T1)));
      experts.push_back(on_.download(View<const std::int32_t>(plan.expert_N)));
      experts.back().resize(static_cast<std::size_t>(begins.back().back()));
    }
    for (std::size_t layer = 0; layer < begins.size(); ++layer) {
      router::RoutePlan plan;
      plan.num_tokens = batch_.tokens();
      plan.num_experts = config_.experts.num_experts;
      plan.row_begin_T1 = on_.upload(begins[layer]);
      plan.expert_N = on_.upload(experts[layer]);
      plan.row_capacity = plan.expert_N.size();
      given_.push_back(plan);
    }
    return objective();
  }

  /// The loss with the remembered experts.
  double loss() {
    begin();
    model_.add_loss(batch_, context(), loss_, on_.work);
    return objective();
  }

  [[nodiscard]] std::size_t executed() const {
    std::size_t rows = 0;
    for (const router::RoutePlan& plan : given_)
      rows += static_cast<std::size_t>(plan.expert_N.size());
    return rows;
  }

 private:
  void begin() {
    model_.begin_step(kControl, on_.stream);
    ops::fill_zero(loss_, on_.stream);
  }

  [[nodiscard]] model::StepContext context() const {
    return {.seed = 1,
            .step = 2,
            .mode = router::RouteMode::training,
            .given = given_,
            .quota_L = quota_L_};
  }

  /// Cross-entropy and the balance terms: what the gradients are of.
  double objective() {
    double sum = on_.download<double>(loss_)[0];
    const std::vector<double> sums = on_.download(View<const double>(model_.routing().sums()));
    for (int layer = 0; layer < config_.moe_layers(); ++layer) {
      for (const router::RouteSum term :
           {router::RouteSum::balance_loss, router::RouteSum::z_loss}) {
        sum +=
            sums[static_cast<std::size_t>(layer * router::kNumRouteSums + static_cast<int>(term))];
      }
    }
    return sum;
  }

  model::ModelConfig config_;
  std::vector<std::int64_t> quota_L_;
  OnDevice on_;
  std::unique_ptr<parallel::Communicator> alone_;
  model::Transformer model_;
  TensorView loss_;
  model::Batch batch_;
  std::vector<router::RoutePlan> given_;
};

/// Checks a few elements of every tensor; returns how many had a gradient that is not 0.
int check_every_parameter(WholeModel& model) {
  model.loss_and_gradient();
  constexpr double kStep = 1e-5;
  int num_nonzero = 0;
  for (const model::LogicalTensor& tensor : model.parameters().logical_tensors()) {
    const TensorView values = model.parameters().values(tensor.space);
    const TensorView gradients = model.parameters().gradients(tensor.space);
    const std::int64_t elements = tensor.shape.elements();
    const std::set<std::int64_t> places = {0, elements / 3, elements / 2, elements - 1};
    for (const std::int64_t place : places) {
      const std::int64_t index = tensor.offset + place;
      const double value = read_element(values, index, model.on());
      write_element(values, index, value + kStep, model.on());
      const double above = model.loss();
      write_element(values, index, value - kStep, model.on());
      const double below = model.loss();
      write_element(values, index, value, model.on());

      const double expected = (above - below) / (2 * kStep);
      const double gradient = read_element(gradients, index, model.on());
      // Central differences of a sum of some 10 nats: rounding 1e-15 * 10 / 1e-5, truncation below.
      EXPECT_NEAR(gradient, expected, 1e-7 + 1e-6 * std::abs(expected))
          << tensor.name << " [" << place << "]";
      num_nonzero += gradient != 0;
    }
  }
  return num_nonzero;
}

TEST(GradientCheck, HoldsForEveryKindOfParameter) {
  WholeModel model(tiny_config());

  const int num_nonzero = check_every_parameter(model);

  EXPECT_GT(num_nonzero, 60);
  EXPECT_GT(model.executed(), 20U);  // more rows than the floor alone gives
}

TEST(GradientCheck, HoldsForRawScoresWithNoiseAndZLoss) {
  model::ModelConfig config = tiny_config();
  config.router.normalisation = router::ScoreNormalisation::off;
  config.router.z_loss = 0.01;
  config.router.noise_std = 0.3;
  config.router.gate = router::GateRule::renormalised;
  config.tied_embeddings = false;
  WholeModel model(config);

  EXPECT_GT(check_every_parameter(model), 60);
}

TEST(GradientCheck, HoldsForTheBoxOfLayerMeans) {
  model::ModelConfig config = tiny_config();
  config.router.layer_means = router::LayerMeans::box;
  config.router.box_max = 3.0;
  config.router.gate = router::GateRule::relu;
  WholeModel model(config);

  EXPECT_GT(check_every_parameter(model), 60);
}

TEST(GradientCheck, HoldsForLayersThatRunAQuota) {
  model::ModelConfig config = tiny_config();
  config.router.noise_std = 0.3;
  WholeModel model(config, {13, 27});

  EXPECT_GT(check_every_parameter(model), 60);
  EXPECT_EQ(model.executed(), 40U);
}

TEST(GradientCheck, HoldsForTheTopKBaseline) {
  model::ModelConfig config = tiny_config();
  config.router.kind = router::RouterKind::top_k;
  config.router.normalisation = router::ScoreNormalisation::off;
  WholeModel model(config);

  EXPECT_GT(check_every_parameter(model), 60);
}

}  // namespace
}  // namespace softmoe::test
