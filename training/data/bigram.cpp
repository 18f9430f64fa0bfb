#include "training/data/bigram.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace softmoe::training {
namespace {

constexpr std::int64_t kChunkTokens = 1 << 20;

/// Calls use(tokens) for overlapping chunks of [begin, end), so that every token but the first
/// comes once behind the token before it.
template <class Use>
void for_each_chunk(const TokenSource& source, std::int64_t begin, std::int64_t end, Use use) {
  std::vector<std::int32_t> chunk;
  while (begin + 1 < end) {
    const std::int64_t count = std::min(kChunkTokens, end - begin);
    chunk.resize(static_cast<std::size_t>(count));
    source.stream().tokens(begin, chunk);
    use(std::span<const std::int32_t>(chunk));
    begin += count - 1;
  }
}

/// Where `f`, which falls and then rises, is smallest in [low, high]: golden section search.
template <class Function>
double minimum_of(Function f, double low, double high) {
  constexpr int kSteps = 30;
  constexpr double kGolden = 0.6180339887498949;
  double left = high - kGolden * (high - low);
  double right = low + kGolden * (high - low);
  double f_left = f(left);
  double f_right = f(right);
  for (int step = 0; step < kSteps; ++step) {
    if (f_left < f_right) {
      high = right;
      right = left;
      f_right = f_left;
      left = high - kGolden * (high - low);
      f_left = f(left);
    } else {
      low = left;
      left = right;
      f_left = f_right;
      right = low + kGolden * (high - low);
      f_right = f(right);
    }
  }
  return (low + high) / 2;
}

}  // namespace

BigramModel::BigramModel(std::int64_t vocab_size, double backoff_strength)
    : pairs_(vocab_size),
      context_count_V_(static_cast<std::size_t>(vocab_size)),
      count_V_(static_cast<std::size_t>(vocab_size)),
      backoff_strength_(backoff_strength) {
  require(backoff_strength > 0, "the backoff strength of a bigram model is positive");
}

void BigramModel::count(std::span<const std::int32_t> tokens) {
  for (std::size_t i = 1; i < tokens.size(); ++i) {
    pairs_.add(tokens[i - 1], tokens[i]);
    ++context_count_V_[tokens[i - 1]];
    ++count_V_[tokens[i]];
    ++num_counted_;
  }
}

void BigramModel::tune(std::span<const std::int32_t> held_out) {
  require(held_out.size() >= 2, "a bigram model is tuned on at least two tokens");
  // What the loss of a token depends on, gathered once: the tables are large, the search is long.
  struct Case {
    float pair_count;
    float context_count;
    float unigram;
  };
  std::vector<Case> cases;
  cases.reserve(held_out.size());
  for (std::size_t i = 1; i < held_out.size(); ++i) {
    cases.push_back({static_cast<float>(pairs_.count(held_out[i - 1], held_out[i])),
                     static_cast<float>(context_count_V_[held_out[i - 1]]),
                     static_cast<float>(unigram(held_out[i]))});
  }
  const auto loss_at = [&](double log_strength) {
    const auto s = static_cast<float>(std::exp(log_strength));
    double loss = 0;
    for (const Case& c : cases) {
      loss += std::log((c.context_count + s) / (c.pair_count + s * c.unigram));
    }
    return loss;
  };
  backoff_strength_ = std::exp(minimum_of(loss_at, std::log(1e-3), std::log(1e7)));
}

double BigramModel::loss(std::int32_t previous, std::int32_t next) const {
  const double s = backoff_strength_;
  return std::log((static_cast<double>(context_count_V_[previous]) + s) /
                  (pairs_.count(previous, next) + s * unigram(next)));
}

double BigramModel::total_loss(std::span<const std::int32_t> tokens) const {
  double sum = 0;
  for (std::size_t i = 1; i < tokens.size(); ++i) sum += loss(tokens[i - 1], tokens[i]);
  return sum;
}

BigramModel fit_bigram(const TokenSource& train) {
  constexpr std::int64_t kMinTokens = 20;
  constexpr std::int64_t kMaxHeldOutTokens = 1 << 20;
  const std::int64_t num_tokens = train.stream().num_tokens();
  if (num_tokens < kMinTokens) {
    throw InvalidArgument(
        fmt::format("cannot fit a bigram model to {} tokens: it takes {}", num_tokens, kMinTokens));
  }
  train.check_vocabulary();
  BigramModel model(train.vocab_size());
  const std::int64_t held_out_begin = num_tokens - std::min(num_tokens / 10, kMaxHeldOutTokens);
  const auto count = [&](std::span<const std::int32_t> tokens) { model.count(tokens); };
  for_each_chunk(train, 0, held_out_begin, count);
  std::vector<std::int32_t> held_out(static_cast<std::size_t>(num_tokens - held_out_begin));
  train.stream().tokens(held_out_begin, held_out);
  model.tune(held_out);
  for_each_chunk(train, held_out_begin - 1, num_tokens, count);
  return model;
}

double mean_loss(const BigramModel& model, const TokenSource& validation,
                 std::int64_t num_sequences) {
  if (num_sequences < 1 || num_sequences > validation.num_sequences()) {
    throw InvalidArgument(fmt::format("cannot evaluate on {} sequences: the data have {}",
                                      num_sequences, validation.num_sequences()));
  }
  if (validation.vocab_size() > model.vocab_size()) {
    throw InvalidArgument(
        fmt::format("cannot evaluate a bigram model of {} tokens on a vocabulary "
                    "of {}",
                    model.vocab_size(), validation.vocab_size()));
  }
  validation.check_vocabulary();
  const std::int64_t num_targets = num_sequences * validation.sequence_length();
  double sum = 0;
  for_each_chunk(validation, 0, num_targets + 1,
                 [&](std::span<const std::int32_t> tokens) { sum += model.total_loss(tokens); });
  return sum / static_cast<double>(num_targets);
}

}  // namespace softmoe::training
