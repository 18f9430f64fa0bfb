#include "training/cached_decoder.h"

#include <fmt/format.h>

#include <algorithm>

namespace softmoe::training {

CachedDecoder::CachedDecoder(const Options& options)
    : options_(options),
      cache_(options.model.config(), options.sequences, options.capacity,
             options.model.parameters().dtype(), options.work.compute.device()) {}

std::span<const float> CachedDecoder::append(std::span<const std::int32_t> token_T,
                                             std::int64_t positions) {
  if (positions < 1 || std::ssize(token_T) != options_.sequences * positions) {
    throw InvalidArgument(fmt::format("cannot append {} tokens as {} positions of {} sequences",
                                      token_T.size(), positions, options_.sequences));
  }
  if (cache_.length() + positions > cache_.capacity()) {
    throw InvalidArgument(
        fmt::format("cannot append {} positions to the {} of a cache that has room for {}",
                    positions, cache_.length(), cache_.capacity()));
  }
  Workspace& work = options_.work;
  const ArenaScope saved(work.saved);
  const ArenaScope scratch(work.scratch);
  const model::Batch batch = upload_batch(token_T, positions);
  const TensorView logits_BV =
      work.scratch.push(options_.model.parameters().dtype(),
                        {options_.sequences, options_.model.config().vocabulary});
  options_.model.decode(batch, {.seed = options_.seed, .mode = router::RouteMode::inference},
                        cache_, logits_BV, work);
  bring_to_host(logits_BV);
  return logits_BV_;
}

model::Batch CachedDecoder::upload_batch(std::span<const std::int32_t> token_T,
                                         std::int64_t positions) {
  Workspace& work = options_.work;
  // The copies of the call before may still be under way.
  work.compute.synchronize();
  host_token_T_.assign(token_T.begin(), token_T.end());
  host_position_T_.clear();
  for (std::int64_t sequence = 0; sequence < options_.sequences; ++sequence) {
    for (std::int64_t position = 0; position < positions; ++position) {
      host_position_T_.push_back(static_cast<std::int32_t>(cache_.length() + position));
    }
  }
  const auto to_device = [&](const std::vector<std::int32_t>& host) {
    const View<std::int32_t> target = work.saved.push<std::int32_t>(std::ssize(host));
    upload(std::span<const std::int32_t>(host), target, work.compute);
    return target;
  };
  return {.sequences = options_.sequences,
          .positions = positions,
          .token_T = to_device(host_token_T_),
          .position_T = to_device(host_position_T_)};
}

void CachedDecoder::bring_to_host(ConstTensorView logits_BV) {
  visit_float(logits_BV.dtype(), [&]<class T>() {
    HostBuffer<T> landed;
    const HostCopy<T> copy(logits_BV.as<T>(), landed, options_.work.compute);
    const std::span<const T> logits = copy.wait();
    logits_BV_.resize(logits.size());
    std::transform(logits.begin(), logits.end(), logits_BV_.begin(),
                   [](T logit) { return static_cast<float>(logit); });
  });
}

}  // namespace softmoe::training
