#include "runtime/ops/adamw.h"

#include <cmath>

#include "runtime/ops/cpu/blocks.h"
#include "runtime/ops/cpu/vec.h"

namespace softmoe::ops::cpu {

namespace {

/// Floats ahead of which the four arrays are fetched. Processors do so by themselves, page by page,
/// and begin anew with each; this took a tenth of the time. Beyond the end a fetch does nothing.
constexpr std::int64_t kAhead = 512;

/// The update with everything that is one number per step worked out in f64 beforehand.
struct Update {
  float* parameter;
  const float* gradient;
  float* first_moment;
  float* second_moment;
  float gradient_scale;
  float beta1;
  float one_less_beta1;
  float beta2;
  float one_less_beta2;
  float step_size;    ///< learning_rate / (1 - beta1^update)
  float root_factor;  ///< 1 / sqrt(1 - beta2^update)
  float epsilon;
  float decay;  ///< learning_rate * weight_decay

  explicit Update(const AdamwArguments& arguments)
      : parameter(arguments.parameter.as<float>().data()),
        gradient(arguments.gradient.as<float>().data()),
        first_moment(arguments.first_moment.as<float>().data()),
        second_moment(arguments.second_moment.as<float>().data()),
        gradient_scale(static_cast<float>(arguments.gradient_scale)),
        beta1(static_cast<float>(arguments.beta1)),
        one_less_beta1(static_cast<float>(1 - arguments.beta1)),
        beta2(static_cast<float>(arguments.beta2)),
        one_less_beta2(static_cast<float>(1 - arguments.beta2)),
        epsilon(static_cast<float>(arguments.epsilon)),
        decay(static_cast<float>(arguments.learning_rate * arguments.weight_decay)) {
    const auto updates = static_cast<double>(arguments.update);
    step_size =
        static_cast<float>(arguments.learning_rate / (1 - std::pow(arguments.beta1, updates)));
    root_factor = static_cast<float>(1 / std::sqrt(1 - std::pow(arguments.beta2, updates)));
  }

  void run(std::int64_t begin, std::int64_t end) const {
    for_vectors(end - begin, [&](std::int64_t offset, auto lanes) {
      const std::int64_t i = begin + offset;
      __builtin_prefetch(parameter + i + kAhead);
      __builtin_prefetch(gradient + i + kAhead);
      __builtin_prefetch(first_moment + i + kAhead);
      __builtin_prefetch(second_moment + i + kAhead);
      const Vec g = load(gradient + i, lanes) * gradient_scale;
      const Vec m = load(first_moment + i, lanes) * beta1 + g * one_less_beta1;
      const Vec v = load(second_moment + i, lanes) * beta2 + g * g * one_less_beta2;
      const Vec direction = m / (sqrt(v) * root_factor + epsilon);
      const Vec before = load(parameter + i, lanes);
      store(before - (direction * step_size + before * decay), parameter + i, lanes);
      store(m, first_moment + i, lanes);
      store(v, second_moment + i, lanes);
    });
  }
};

}  // namespace

void adamw(const AdamwArguments& arguments, Stream& stream) {
  stream.run([update = Update(arguments), size = arguments.parameter.elements(),
              workers = &stream.workers()] {
    for_blocks(*workers, size, kBlockElements,
               [&](std::int64_t begin, std::int64_t end) { update.run(begin, end); });
  });
}

}  // namespace softmoe::ops::cpu
