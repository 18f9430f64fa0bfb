#include "runtime/ops/attention.h"

#include <algorithm>
#include <cmath>

namespace softmoe::ops::reference {

namespace {

template <class T>
double dot(const T* a, const T* b, std::int64_t size) {
  double sum = 0;
  for (std::int64_t d = 0; d < size; ++d) sum += double{a[d]} * double{b[d]};
  return sum;
}

/// Where one query of one head finds its numbers.
template <class T>
struct Query {
  std::int64_t o;        ///< its first element in o and d_o
  std::int64_t log_sum;  ///< its element in log_sum
  std::int64_t q;        ///< its first element in q and d_q
  std::int64_t key;      ///< first element of its sequence's and head's first key in k and d_k
  std::int64_t value;    ///< the same in v and d_v
  std::int64_t visible;  ///< keys it sees

  Query(const AttentionArguments& arguments, std::int64_t sequence, std::int64_t head,
        std::int64_t query) {
    const AttentionShape& shape = arguments.shape;
    const std::int64_t row = sequence * shape.queries + query;
    const std::int64_t kv_head = head / (shape.heads / shape.kv_heads);
    const std::int64_t first_key = sequence * arguments.key_stride;
    o = row * shape.heads * shape.head_size + head * shape.head_size;
    log_sum = row * shape.heads + head;
    q = row * arguments.q.dim(1) + arguments.q_column + head * shape.head_size;
    key = first_key * arguments.k.dim(1) + arguments.k_column + kv_head * shape.head_size;
    value = first_key * arguments.v.dim(1) + arguments.v_column + kv_head * shape.head_size;
    visible = shape.keys - shape.queries + query + 1;
  }
};

/// scores[j] = q . k_j / sqrt(D) for the keys that the query sees.
template <class T>
void score(const AttentionArguments& arguments, const Query<T>& at, double* scores) {
  const std::int64_t size = arguments.shape.head_size;
  const T* const q = arguments.q.as<T>().data() + at.q;
  const T* const k = arguments.k.as<T>().data() + at.key;
  for (std::int64_t j = 0; j < at.visible; ++j) {
    scores[j] = dot(q, k + j * arguments.k.dim(1), size) / std::sqrt(static_cast<double>(size));
  }
}

template <class T>
void attend(const AttentionArguments& arguments, const Query<T>& at, double* scores) {
  score(arguments, at, scores);
  const double maximum = *std::max_element(scores, scores + at.visible);
  double sum = 0;
  for (std::int64_t j = 0; j < at.visible; ++j) sum += std::exp(scores[j] - maximum);
  const double log_sum = maximum + std::log(sum);
  for (std::int64_t j = 0; j < at.visible; ++j) scores[j] = std::exp(scores[j] - log_sum);
  const T* const v = arguments.v.as<T>().data() + at.value;
  for (std::int64_t d = 0; d < arguments.shape.head_size; ++d) {
    double mean = 0;
    for (std::int64_t j = 0; j < at.visible; ++j) {
      mean += scores[j] * double{v[j * arguments.v.dim(1) + d]};
    }
    arguments.o.as<T>()[at.o + d] = static_cast<T>(mean);
  }
  arguments.log_sum.as<ComputeOf<T>>()[at.log_sum] = static_cast<ComputeOf<T>>(log_sum);
}

/// Sums of one kv head of one sequence, in f64: [K, D] each, and one row of scores.
struct BackwardScratch {
  View<double> scores_K;
  View<double> d_k_KD;
  View<double> d_v_KD;
};

/// Adds one query's share to the gradients of its keys and values; writes its d_q.
template <class T>
void attend_backward(const AttentionBackwardArguments& arguments, const Query<T>& at,
                     const BackwardScratch& scratch) {
  const AttentionArguments& forward = arguments.forward;
  const std::int64_t size = forward.shape.head_size;
  const T* const q = forward.q.as<T>().data() + at.q;
  const T* const k = forward.k.as<T>().data() + at.key;
  const T* const v = forward.v.as<T>().data() + at.value;
  const T* const d_o = arguments.d_o.as<T>().data() + at.o;
  const double log_sum{forward.log_sum.as<ComputeOf<T>>()[at.log_sum]};
  const double delta = dot(d_o, static_cast<const T*>(forward.o.as<T>().data() + at.o), size);

  score(forward, at, scratch.scores_K.data());
  for (std::int64_t j = 0; j < at.visible; ++j) {
    const double p = std::exp(scratch.scores_K[j] - log_sum);
    const double d_p = dot(d_o, v + j * forward.v.dim(1), size);
    const double d_score = p * (d_p - delta) / std::sqrt(static_cast<double>(size));
    for (std::int64_t d = 0; d < size; ++d) {
      scratch.d_v_KD[j * size + d] += p * double{d_o[d]};
      scratch.d_k_KD[j * size + d] += d_score * double{q[d]};
    }
    scratch.scores_K[j] = d_score;
  }
  for (std::int64_t d = 0; d < size; ++d) {
    double sum = 0;
    for (std::int64_t j = 0; j < at.visible; ++j) {
      sum += scratch.scores_K[j] * double{k[j * forward.k.dim(1) + d]};
    }
    arguments.d_q.as<T>()[at.q + d] = static_cast<T>(sum);
  }
}

template <class T>
void backward_of_kv_head(const AttentionBackwardArguments& arguments, std::int64_t sequence,
                         std::int64_t kv_head, const BackwardScratch& scratch) {
  const AttentionShape& shape = arguments.forward.shape;
  const std::int64_t group = shape.heads / shape.kv_heads;
  std::fill_n(scratch.d_k_KD.data(), scratch.d_k_KD.size(), 0.0);
  std::fill_n(scratch.d_v_KD.data(), scratch.d_v_KD.size(), 0.0);
  for (std::int64_t head = kv_head * group; head < (kv_head + 1) * group; ++head) {
    for (std::int64_t query = 0; query < shape.queries; ++query) {
      attend_backward<T>(arguments, Query<T>(arguments.forward, sequence, head, query), scratch);
    }
  }
  const Query<T> first(arguments.forward, sequence, kv_head * group, 0);
  for (std::int64_t j = 0; j < shape.keys; ++j) {
    for (std::int64_t d = 0; d < shape.head_size; ++d) {
      const std::int64_t from = j * shape.head_size + d;
      arguments.d_k.as<T>()[first.key + j * arguments.d_k.dim(1) + d] =
          static_cast<T>(scratch.d_k_KD[from]);
      arguments.d_v.as<T>()[first.value + j * arguments.d_v.dim(1) + d] =
          static_cast<T>(scratch.d_v_KD[from]);
    }
  }
}

}  // namespace

void attention(const AttentionArguments& arguments, Arena& scratch, Stream& stream) {
  const ArenaScope scope(scratch);
  const View<double> scores_K = scratch.push<double>(arguments.shape.keys);
  stream.run([arguments, scores_K] {
    const AttentionShape& shape = arguments.shape;
    visit_float(arguments.q.dtype(), [&]<class T>() {
      for (std::int64_t sequence = 0; sequence < shape.sequences; ++sequence) {
        for (std::int64_t head = 0; head < shape.heads; ++head) {
          for (std::int64_t query = 0; query < shape.queries; ++query) {
            attend<T>(arguments, Query<T>(arguments, sequence, head, query), scores_K.data());
          }
        }
      }
    });
  });
}

void attention_backward(const AttentionBackwardArguments& arguments, Arena& scratch,
                        Stream& stream) {
  const AttentionShape& shape = arguments.forward.shape;
  const ArenaScope scope(scratch);
  const BackwardScratch sums{.scores_K = scratch.push<double>(shape.keys),
                             .d_k_KD = scratch.push<double>(shape.keys * shape.head_size),
                             .d_v_KD = scratch.push<double>(shape.keys * shape.head_size)};
  stream.run([arguments, sums] {
    visit_float(arguments.forward.q.dtype(), [&]<class T>() {
      for (std::int64_t sequence = 0; sequence < arguments.forward.shape.sequences; ++sequence) {
        for (std::int64_t kv_head = 0; kv_head < arguments.forward.shape.kv_heads; ++kv_head) {
          backward_of_kv_head<T>(arguments, sequence, kv_head, sums);
        }
      }
    });
  });
}

}  // namespace softmoe::ops::reference
