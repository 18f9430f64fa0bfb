#include "model/parameter_store.h"

#include <gmock/gmock.h>

#include "runtime/ops/accumulate.h"
#include "runtime/ops/elementwise.h"
#include "tests/support/on_device.h"

namespace softmoe::model {
namespace {

using test::OnDevice;
using testing::Each;
using testing::ElementsAre;

/// A dense tensor of two numbers and one of two experts with one number each.
struct Store {
  OnDevice on;
  ParameterStore parameters{DType::f32, ExpertId(0)};
  ParameterId dense = parameters.add({.name = "a.b", .shape = {2}});
  ParameterId expert =
      parameters.add({.name = "c.experts.d", .shape = {2, 1, 1}, .space = Space::expert});

  Store() { parameters.allocate(/*seed=*/1, on.device, on.stream); }

  /// Contributes ones, as every module does: target = beta * target + 1.
  void contribute(const Parameter& parameter) {
    const std::vector<float> ones(static_cast<std::size_t>(parameter.gradient.elements()), 1.0F);
    const TensorView one = on.upload(ones, parameter.gradient.shape());
    ops::accumulate(parameter, on.work, [&](TensorView target, double beta) {
      if (beta == 0) ops::fill_zero(target, on.stream);
      ops::add(one, target, on.stream);
    });
  }
  [[nodiscard]] std::vector<float> gradients(Space space) {
    return on.download<float>(parameters.gradients(space));
  }
};

TEST(ForgottenGradients, AreOverwrittenOnceAndThenAddedTo) {
  Store store;
  store.contribute(store.parameters[store.dense]);

  store.parameters.forget_gradients(store.on.stream);
  store.contribute(store.parameters[store.dense]);
  EXPECT_THAT(store.gradients(Space::dense), Each(1.0F));
  store.contribute(store.parameters[store.dense]);

  EXPECT_THAT(store.gradients(Space::dense), Each(2.0F));
}

TEST(ForgottenGradients, OfExpertsAreForgottenOneByOneAndSettled) {
  Store store;
  store.contribute(store.parameters[store.expert]);
  store.contribute(store.parameters[store.dense]);

  store.parameters.forget_gradients(store.on.stream);
  store.contribute(store.parameters[store.expert].rows(1, 2));
  store.parameters.settle_gradients(store.on.stream);

  EXPECT_THAT(store.gradients(Space::expert), ElementsAre(0.0F, 1.0F));
  EXPECT_THAT(store.gradients(Space::dense), Each(0.0F));
}

}  // namespace
}  // namespace softmoe::model
