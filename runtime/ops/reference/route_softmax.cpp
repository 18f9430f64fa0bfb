#include "runtime/ops/route_softmax.h"

#include <algorithm>
#include <cmath>

#include "runtime/ops/lapsum_values.h"
#include "runtime/ops/route_types.h"

namespace softmoe::ops::reference {

namespace {

template <class T>
class SoftmaxRow {
 public:
  SoftmaxRow(ConstTensorView scores_RC, std::int64_t row)
      : columns_(scores_RC.dim(1)), scores_(scores_RC.as<T>().data() + row * columns_) {
    largest_ = *std::max_element(scores_, scores_ + columns_);
    for (std::int64_t i = 0; i < columns_; ++i) {
      sum_ += weight(i);
      if (scores_[i] < largest_) sum_below_ += weight(i);
    }
  }

  [[nodiscard]] T p(std::int64_t i) const { return weight(i) / sum_; }
  // Only the largest score can have p > 1/2; 1 - p is then summed over the others, not subtracted.
  [[nodiscard]] T signed_f(std::int64_t i) const {
    return p(i) <= T(0.5) ? signed_f_of(p(i), true) : signed_f_of(sum_below_ / sum_, false);
  }
  [[nodiscard]] T log_sum() const { return largest_ + std::log(sum_); }
  [[nodiscard]] T score(std::int64_t i) const { return scores_[i]; }

 private:
  [[nodiscard]] T weight(std::int64_t i) const { return std::exp(scores_[i] - largest_); }

  std::int64_t columns_;
  const T* scores_;
  T largest_;
  T sum_ = 0;
  T sum_below_ = 0;
};

template <class T>
T mean_weight(const RoutePenaltyArguments& arguments, const SoftmaxRow<T>& softmax) {
  T mean = 0;
  for (std::int64_t i = 0; i < arguments.weight_C.size(); ++i) {
    mean += static_cast<T>(arguments.weight_C[i]) * softmax.p(i);
  }
  return mean;
}

}  // namespace

void route_softmax(ConstTensorView scores_RC, TensorView signed_f_RC, Arena& /*scratch*/,
                   Stream& stream) {
  visit_score(scores_RC.dtype(), [&]<class T>() {
    stream.run([scores_RC, signed_f_RC] {
      const std::int64_t columns = scores_RC.dim(1);
      for (std::int64_t row = 0; row < scores_RC.dim(0); ++row) {
        const SoftmaxRow<T> softmax(scores_RC, row);
        T* signed_f = signed_f_RC.as<T>().data() + row * columns;
        for (std::int64_t i = 0; i < columns; ++i) signed_f[i] = softmax.signed_f(i);
      }
    });
  });
}

void route_softmax_vjp(const RouteSoftmaxVjpArguments& arguments, Arena& /*scratch*/,
                       Stream& stream) {
  visit_score(arguments.d_p_RC.dtype(), [&]<class T>() {
    stream.run([arguments] {
      const std::int64_t columns = arguments.d_p_RC.dim(1);
      for (std::int64_t row = 0; row < arguments.d_p_RC.dim(0); ++row) {
        const T* signed_f = arguments.signed_f_RC.as<T>().data() + row * columns;
        const T* v = arguments.d_p_RC.as<T>().data() + row * columns;
        T* d_scores = arguments.d_scores_RC.as<T>().data() + row * columns;
        T mean = 0;
        for (std::int64_t i = 0; i < columns; ++i) mean += probability_of(signed_f[i]) * v[i];
        for (std::int64_t i = 0; i < columns; ++i) {
          d_scores[i] = probability_of(signed_f[i]) * (v[i] - mean);
        }
      }
    });
  });
}

void route_penalty(const RoutePenaltyArguments& arguments, View<double> sums, Arena& /*scratch*/,
                   Stream& stream) {
  visit_score(arguments.scores_RC.dtype(), [&]<class T>() {
    stream.run([arguments, sums] {
      for (std::int64_t row = 0; row < arguments.scores_RC.dim(0); ++row) {
        const SoftmaxRow<T> softmax(arguments.scores_RC, row);
        const auto log_sum = static_cast<double>(softmax.log_sum());
        double entropy = log_sum;
        for (std::int64_t i = 0; i < arguments.scores_RC.dim(1); ++i) {
          entropy -= static_cast<double>(softmax.p(i) * softmax.score(i));
        }
        sums[static_cast<int>(PenaltySum::balance)] +=
            static_cast<double>(mean_weight(arguments, softmax));
        sums[static_cast<int>(PenaltySum::z)] += arguments.z_coefficient * log_sum * log_sum;
        sums[static_cast<int>(PenaltySum::entropy)] += entropy;
      }
    });
  });
}

void route_penalty_backward(const RoutePenaltyArguments& arguments, TensorView d_scores_RC,
                            Arena& /*scratch*/, Stream& stream) {
  visit_score(arguments.scores_RC.dtype(), [&]<class T>() {
    stream.run([arguments, d_scores_RC] {
      const std::int64_t columns = arguments.scores_RC.dim(1);
      for (std::int64_t row = 0; row < arguments.scores_RC.dim(0); ++row) {
        const SoftmaxRow<T> softmax(arguments.scores_RC, row);
        const T mean = mean_weight(arguments, softmax);
        const T d_log_sum = static_cast<T>(2 * arguments.z_coefficient) * softmax.log_sum();
        T* d_scores = d_scores_RC.as<T>().data() + row * columns;
        for (std::int64_t i = 0; i < columns; ++i) {
          const T weight =
              arguments.weight_C.empty() ? T(0) : static_cast<T>(arguments.weight_C[i]);
          d_scores[i] += softmax.p(i) * (weight - mean + d_log_sum);
        }
      }
    });
  });
}

}  // namespace softmoe::ops::reference
