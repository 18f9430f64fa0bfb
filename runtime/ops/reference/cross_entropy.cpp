#include "runtime/ops/cross_entropy.h"

#include <algorithm>
#include <cmath>

#include "runtime/ops/checks.h"

namespace softmoe::ops::reference {

namespace {

/// Turns a row of logits into its gradient and returns its loss.
template <class T>
double gradient_of_row(View<T> logits_V, std::int64_t token, std::int32_t target) {
  if (target < 0) {
    std::fill_n(logits_V.data(), logits_V.size(), T{});
    return 0;
  }
  require_row("cross_entropy", token, target, logits_V.size());
  double maximum = double{logits_V[0]};
  for (const T logit : logits_V.span()) maximum = std::max(maximum, double{logit});
  double sum = 0;
  for (const T logit : logits_V.span()) sum += std::exp(double{logit} - maximum);
  const double loss = std::log(sum) + maximum - double{logits_V[target]};
  for (std::int64_t v = 0; v < logits_V.size(); ++v) {
    const double probability = std::exp(double{logits_V[v]} - maximum) / sum;
    logits_V[v] = static_cast<T>(probability - (v == target ? 1 : 0));
  }
  return loss;
}

}  // namespace

void cross_entropy(TensorView logits_TV, View<const std::int32_t> target_T, TensorView loss_T,
                   Stream& stream) {
  stream.run([logits_TV, target_T, loss_T] {
    visit_float(logits_TV.dtype(), [&]<class T>() {
      const std::int64_t vocabulary = logits_TV.dim(1);
      for (std::int64_t token = 0; token < target_T.size(); ++token) {
        const View<T> row = logits_TV.as<T>().part(token * vocabulary, (token + 1) * vocabulary);
        loss_T.as<ComputeOf<T>>()[token] =
            static_cast<ComputeOf<T>>(gradient_of_row(row, token, target_T[token]));
      }
    });
  });
}

}  // namespace softmoe::ops::reference
