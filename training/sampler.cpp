#include "training/sampler.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "runtime/base/errors.h"
#include "runtime/base/narrow.h"
#include "runtime/base/philox.h"
#include "runtime/config/reader.h"

namespace softmoe::training {

namespace {

// A nucleus of 7 of 100 equal tokens is asked for as 0.07, and 0.07 * 100 rounds to above 7.
constexpr double kNucleusSlack = 1e-12;

/// The largest logit, the first of equals.
std::size_t find_largest(std::span<const float> logits_V) {
  require(!logits_V.empty(), "there are no logits to draw a token from");
  std::size_t largest = 0;
  for (std::size_t token = 0; token < logits_V.size(); ++token) {
    const float logit = logits_V[token];
    if (std::isnan(logit) || logit == INFINITY) {
      throw InvalidArgument(
          fmt::format("cannot draw a token: the logit of token {} is {}; the model's weights or "
                      "activations are not finite",
                      token, logit));
    }
    if (logit > logits_V[largest]) largest = token;
  }
  require(logits_V[largest] != -INFINITY,
          "cannot draw a token: every logit is -infinity, so none has a probability");
  return largest;
}

/// A uniform number in [0, 1) with 53 random bits.
double uniform(const SamplingConfig& config, const DrawPlace& place) {
  const auto words = philox({.seed = config.seed,
                             .purpose = RandomPurpose::sampling,
                             .step = narrow<std::uint32_t>(place.position)},
                            narrow<std::uint64_t>(place.sequence));
  const std::uint64_t bits = (std::uint64_t{words[0]} << 32 | words[1]) >> 11;
  return static_cast<double>(bits) * 0x1p-53;
}

bool ranks_above(const Sampler::Candidate& a, const Sampler::Candidate& b) {
  return a.probability != b.probability ? a.probability > b.probability : a.token < b.token;
}
bool ranks_below(const Sampler::Candidate& a, const Sampler::Candidate& b) {
  return ranks_above(b, a);
}

double sum_of(std::span<const Sampler::Candidate> candidates) {
  double sum = 0;
  for (const Sampler::Candidate& candidate : candidates) sum += candidate.probability;
  return sum;
}

}  // namespace

void SamplingConfig::bind(config::Reader& reader) {
  using config::Range;
  reader.value("temperature", temperature, Range{.min = 0},
               "divides the logits; 0 always takes the most probable token");
  reader.value("top_k", top_k, Range{.min = 0}, "only the k most probable tokens; 0: all");
  reader.value("top_p", top_p, Range{.above = 0, .max = 1},
               "only the fewest tokens whose probabilities reach p");
  reader.value("seed", seed, "of the draws");
}

Sampler::Sampler(const SamplingConfig& config) : config_(config) {
  const auto refuse = [](std::string_view name, auto value, std::string_view limit) {
    throw InvalidArgument(
        fmt::format("cannot sample with {} = {}: it must be {}", name, value, limit));
  };
  if (!(config.temperature >= 0) || std::isinf(config.temperature)) {
    refuse("temperature", config.temperature, "a number from 0 on");
  }
  if (config.top_k < 0) refuse("top_k", config.top_k, "0 (all tokens) or more");
  if (!(config.top_p > 0 && config.top_p <= 1)) {
    refuse("top_p", config.top_p, "above 0 and at most 1");
  }
}

std::int32_t Sampler::draw(std::span<const float> logits_V, const DrawPlace& place) {
  weigh(logits_V);
  const double target = uniform(config_, place) * kept_weight_;
  double reached = 0;
  for (const Candidate& candidate : kept_) {
    reached += candidate.probability;
    if (target < reached) return candidate.token;
  }
  // The weights were summed in this order too, and a product with at most 1 - 2^-53 rounds below
  // it.
  throw InternalError("internal error: a draw went past the last candidate");
}

std::vector<Sampler::Candidate> Sampler::candidates(std::span<const float> logits_V) {
  weigh(logits_V);
  std::vector<Candidate> result = kept_;
  std::sort(result.begin(), result.end(), ranks_above);
  for (Candidate& candidate : result) candidate.probability /= kept_weight_;
  return result;
}

/// Sets what may be drawn, and its weights. Without a restriction the tokens stay in the order of
/// their ids.
void Sampler::weigh(std::span<const float> logits_V) {
  const std::size_t largest = find_largest(logits_V);
  kept_.clear();
  if (is_greedy()) {
    kept_.push_back({narrow<std::int32_t>(largest), 1.0});
    kept_weight_ = 1;
    return;
  }
  const double top = logits_V[largest];
  for (std::size_t token = 0; token < logits_V.size(); ++token) {
    const double weight = std::exp((logits_V[token] - top) / config_.temperature);
    if (weight > 0) kept_.push_back({static_cast<std::int32_t>(token), weight});
  }
  const bool is_restricted =
      config_.top_p < 1 || (config_.top_k > 0 && config_.top_k < std::ssize(kept_));
  if (is_restricted) rank();
  kept_weight_ = sum_of(kept_);
}

/// Keeps the most probable tokens as the restrictions say, the most probable first.
void Sampler::rank() {
  if (config_.top_k > 0 && config_.top_k < std::ssize(kept_)) {
    std::partial_sort(kept_.begin(), kept_.begin() + config_.top_k, kept_.end(), ranks_above);
    kept_.resize(static_cast<std::size_t>(config_.top_k));
  }
  if (config_.top_p == 1) return;
  const double enough = config_.top_p * sum_of(kept_) * (1 - kNucleusSlack);
  // A heap gives the tokens one by one, so the many outside the nucleus are never sorted. It lies
  // back to front: what leaves it gathers at the front.
  auto heap_end = kept_.rend();
  std::make_heap(kept_.rbegin(), heap_end, ranks_below);
  for (double reached = 0; reached < enough && heap_end != kept_.rbegin();) {
    std::pop_heap(kept_.rbegin(), heap_end, ranks_below);
    --heap_end;
    reached += heap_end->probability;
  }
  kept_.erase(heap_end.base(), kept_.end());
}

}  // namespace softmoe::training
