#include "training/generation.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "parallel/reduce.h"
#include "training/cached_decoder.h"

namespace softmoe::training {

namespace {

/// The prompts of rank 0 on all ranks.
std::vector<TokenIds> share_prompts(const GenerationParts& parts,
                                    const std::vector<TokenIds>& prompts) {
  const auto broadcast = [&]<class T>(std::span<T> numbers) {
    parallel::broadcast_on_host(std::as_writable_bytes(numbers), Rank(0), parts.world,
                                parts.work.exchange);
  };
  std::vector<std::int64_t> lengths;
  TokenIds tokens;
  for (const TokenIds& prompt : prompts) {
    lengths.push_back(std::ssize(prompt));
    tokens.insert(tokens.end(), prompt.begin(), prompt.end());
  }
  std::int64_t num_prompts = std::ssize(lengths);
  broadcast(std::span(&num_prompts, 1));
  lengths.resize(static_cast<std::size_t>(num_prompts));
  broadcast(std::span(lengths));
  tokens.resize(static_cast<std::size_t>(std::reduce(lengths.begin(), lengths.end())));
  broadcast(std::span(tokens));

  std::vector<TokenIds> shared;
  auto next = tokens.begin();
  for (const std::int64_t length : lengths) {
    shared.emplace_back(next, next + length);
    next += length;
  }
  return shared;
}

void check_prompt(const TokenIds& prompt, std::size_t number, const model::ModelConfig& config) {
  if (prompt.empty()) {
    throw InvalidArgument(fmt::format(
        "cannot continue prompt {}: it has no token; begin with the end-of-document token",
        number));
  }
  for (std::size_t place = 0; place < prompt.size(); ++place) {
    if (prompt[place] < 0 || prompt[place] >= config.vocabulary) {
      throw InvalidArgument(
          fmt::format("cannot continue prompt {}: its token {} is {}, but the model's vocabulary "
                      "has {}; was it "
                      "encoded by the tokenizer that the model was trained with?",
                      number, place, prompt[place], config.vocabulary));
    }
  }
}

void check_request(const GenerationParts& parts, const GenerationRequest& request,
                   std::span<const TokenIds> prompts) {
  if (parts.max_sequences < 1 || request.max_tokens < 0) {
    throw InvalidArgument(
        fmt::format("cannot write {} tokens of {} sequences at a time: at least 0 and 1 are needed",
                    request.max_tokens, parts.max_sequences));
  }
  const model::ModelConfig& config = parts.model.config();
  for (std::size_t number = 0; number < prompts.size(); ++number) {
    check_prompt(prompts[number], number, config);
    // The last token is drawn, and never read.
    const std::int64_t room = config.positions + 1 - std::ssize(prompts[number]);
    if (request.max_tokens > room) {
      throw InvalidArgument(fmt::format(
          "cannot continue prompt {} of {} tokens by {}: the model has {} positions "
          "(model.positions); {}",
          number, prompts[number].size(), request.max_tokens, config.positions,
          room > 0 ? fmt::format("ask for at most {} tokens, or shorten the prompt", room)
                   : fmt::format("shorten the prompt by at least {} tokens", 1 - room)));
    }
  }
}

/// Prompts of one length that are continued together, by rising number.
using Group = std::vector<std::size_t>;

std::vector<Group> group_by_length(std::span<const TokenIds> prompts, std::int64_t max_members) {
  std::vector<std::size_t> by_length(prompts.size());
  std::iota(by_length.begin(), by_length.end(), std::size_t{0});
  std::stable_sort(by_length.begin(), by_length.end(), [&](std::size_t a, std::size_t b) {
    return prompts[a].size() < prompts[b].size();
  });
  std::vector<Group> groups;
  for (const std::size_t prompt : by_length) {
    const bool fits = !groups.empty() && std::ssize(groups.back()) < max_members &&
                      prompts[groups.back().front()].size() == prompts[prompt].size();
    if (!fits) groups.emplace_back();
    groups.back().push_back(prompt);
  }
  return groups;
}

/// Continues the prompts of one group. The members of the group are dealt to the ranks in turn.
class GroupWriter {
 public:
  GroupWriter(const GenerationParts& parts, const GenerationRequest& request, const Group& group,
              Sampler& sampler)
      : parts_(parts),
        request_(request),
        group_(group),
        sampler_(sampler),
        drawn_(group.size()),
        is_open_(group.size(), true) {
    const auto world = static_cast<std::size_t>(parts.world.size());
    const auto rank = static_cast<std::size_t>(parts.world.rank().value);
    for (std::size_t member = rank; member < group.size(); member += world) mine_.push_back(member);
  }

  void write(std::span<const TokenIds> prompts, std::span<TokenIds> continuations,
             const TokenListener& on_token) {
    prompt_length_ = std::ssize(prompts[group_.front()]);
    CachedDecoder decoder({.model = parts_.model,
                           .work = parts_.work,
                           .sequences = std::ssize(mine_),
                           .capacity = prompt_length_ + request_.max_tokens - 1,
                           .seed = parts_.seed});
    TokenIds input;
    for (const std::size_t member : mine_) {
      const TokenIds& prompt = prompts[group_[member]];
      input.insert(input.end(), prompt.begin(), prompt.end());
    }
    std::span<const float> logits = decoder.append(input, prompt_length_);
    for (std::int64_t place = 0; true; ++place) {
      draw(logits, place);
      take(place, continuations, on_token);
      const bool is_done = std::find(is_open_.begin(), is_open_.end(), true) == is_open_.end();
      if (is_done || place + 1 == request_.max_tokens) return;
      input.clear();
      for (const std::size_t member : mine_) {
        input.push_back(static_cast<std::int32_t>(drawn_[member]));
      }
      logits = decoder.append(input, 1);
    }
  }

 private:
  /// Draws the next token of every member, each on its rank, and tells all ranks. A sequence that
  /// has ended goes on unread, because the sequences of a cache keep one length.
  void draw(std::span<const float> logits_BV, std::int64_t place) {
    const auto vocabulary = static_cast<std::size_t>(parts_.model.config().vocabulary);
    std::fill(drawn_.begin(), drawn_.end(), 0);
    for (std::size_t i = 0; i < mine_.size(); ++i) {
      if (!is_open_[mine_[i]]) continue;
      drawn_[mine_[i]] = sampler_.draw(logits_BV.subspan(i * vocabulary, vocabulary),
                                       {.sequence = static_cast<std::int64_t>(group_[mine_[i]]),
                                        .position = prompt_length_ + place});
    }
    // One rank draws a token and the others add nothing to it.
    parallel::all_reduce_sum_on_host(std::span(drawn_), parts_.world, parts_.work.exchange);
  }

  void take(std::int64_t place, std::span<TokenIds> continuations, const TokenListener& on_token) {
    for (std::size_t member = 0; member < group_.size(); ++member) {
      if (!is_open_[member]) continue;
      const auto token = static_cast<std::int32_t>(drawn_[member]);
      if (token == request_.end_of_document) {
        is_open_[member] = false;
        continue;
      }
      continuations[group_[member]].push_back(token);
      if (on_token) {
        on_token(
            {.prompt = static_cast<std::int64_t>(group_[member]), .place = place, .token = token});
      }
    }
  }

  const GenerationParts& parts_;
  const GenerationRequest& request_;
  const Group& group_;
  Sampler& sampler_;
  std::int64_t prompt_length_ = 0;
  std::vector<std::size_t> mine_;    ///< members that this rank writes
  std::vector<std::int64_t> drawn_;  ///< by member: the token of this step
  std::vector<bool> is_open_;        ///< by member: it has not ended
};

}  // namespace

std::vector<TokenIds> generate(const GenerationParts& parts, const GenerationRequest& request,
                               const model::RoutingControl& control,
                               const TokenListener& on_token) {
  const std::vector<TokenIds> prompts = share_prompts(parts, request.prompts);
  check_request(parts, request, prompts);
  Sampler sampler(request.sampling);
  std::vector<TokenIds> continuations(prompts.size());
  if (request.max_tokens == 0) return continuations;
  parts.model.begin_step(control, parts.work.compute);
  for (const Group& group : group_by_length(prompts, parts.max_sequences * parts.world.size())) {
    GroupWriter(parts, request, group, sampler).write(prompts, continuations, on_token);
  }
  return continuations;
}

}  // namespace softmoe::training
