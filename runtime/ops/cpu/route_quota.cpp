#include "runtime/ops/route_quota.h"

#include <algorithm>
#include <array>
#include <span>

#include "runtime/ops/cpu/quota_keys.h"
#include "runtime/ops/cpu/route_rank.h"
#include "runtime/ops/cpu/worker_rooms.h"

namespace softmoe::ops::cpu {

namespace {

/// Up to so many candidates of a row are known in order, and its keys need not all be searched.
constexpr std::int32_t kMostRanked = 64;

struct QuotaScratch {
  WorkerRooms<Lanes> scores;     ///< [C] of the block that a worker looks at
  WorkerRooms<LaneKeys> placed;  ///< [C] its candidates at their columns
  View<LaneKeys> keys_BS;        ///< of blocks of sixteen rows: candidates, and none
  std::int64_t keys_per_block;   ///< S: a row's candidates in order if they are few, else columns
  View<std::int64_t> count_of_part;         ///< of the parts that keys are counted in
  View<std::int64_t> room_of_block;         ///< of rows: pairs at the threshold that are chosen
  View<std::uint32_t> best_below_of_block;  ///< the best key below the threshold

  [[nodiscard]] std::span<LaneKeys> keys_of(const RowBlock& block) const {
    return {keys_BS.data() + block.index() * keys_per_block,
            static_cast<std::size_t>(keys_per_block)};
  }
};

bool has_few_candidates(const RouteChoice& choice) {
  return choice.at_most <= kMostRanked;
}

/// What makes a key of a row's score.
struct ScoreKeys {
  Lanes anchor;
  Lanes delta;
  float alpha;
  LaneInts exists;

  ScoreKeys(const RouteChoice& choice, const RowBlock& block)
      : anchor(load_per_row(choice.anchor_R2.as<float>().data(), 2, block)),
        delta(load_per_row(choice.anchor_R2.as<float>().data() + 1, 2, block)),
        alpha(static_cast<float>(choice.alpha)),
        exists(existing_rows(block)) {}

  [[gnu::always_inline]] LaneKeys of(Lanes score) const {
    // Divided as in the specification: its bits decide.
    return key_of((score - anchor) / alpha + delta) & std::bit_cast<LaneKeys>(exists);
  }
};

/// The best so many scores of each row: all above a value, and the first of those equal to it.
struct Best {
  Lanes value;
  LaneInts room{};
  bool leaves_equal = false;  ///< whether a row has more scores of that value than room

  Best(const Lanes* scores_C, std::int64_t columns, LaneInts count)
      : value(value_of_rank(scores_C, columns, count)) {
    LaneInts above{};
    LaneInts reaching{};
    for (std::int64_t i = 0; i < columns; ++i) {
      above -= scores_C[i] > value;
      reaching -= scores_C[i] >= value;
    }
    room = count - above;
    leaves_equal = any_lane(reaching > count);
  }

  /// To be called for the columns in their order, unless no equal scores are left.
  template <bool kLeavesEqual>
  [[gnu::always_inline]] LaneInts take(Lanes score) {
    if constexpr (!kLeavesEqual) return score >= value;
    const LaneInts takes_room = (score == value) & (room > 0);
    room += takes_room;
    return (score > value) | takes_room;
  }
};

/// The scores of sixteen rows; NaN is the worst.
void load_scores(const RouteChoice& choice, const RowBlock& block, Lanes* scores_C) {
  load_rows(choice.scores_RC.as<float>().data(), block, scores_C);
  for (std::int64_t i = 0; i < block.columns; ++i) {
    const Lanes score = scores_C[i];
    scores_C[i] = score == score ? score : all_lanes(-std::numeric_limits<float>::infinity());
  }
}

/// Keys of the candidates, best first: what a row may run beyond what it must.
template <std::size_t kBest>
[[gnu::noinline]] void rank_candidates(const RouteChoice& choice, const ScoreKeys& keys,
                                       const Lanes* scores_C, std::int64_t columns,
                                       std::span<LaneKeys> keys_S) {
  if constexpr (kBest > 8) {
    if (choice.at_most <= static_cast<std::int32_t>(kBest / 2)) {
      return rank_candidates<kBest / 2>(choice, keys, scores_C, columns, keys_S);
    }
  }
  const std::array<Lanes, kBest> best = best_scores<kBest>(scores_C, columns);
  for (std::size_t i = 0; i < keys_S.size(); ++i) {
    keys_S[i] = keys.of(best[static_cast<std::size_t>(choice.at_least) + i]);
  }
}

/// Keys of the candidates, each at its column, and none elsewhere.
[[gnu::noinline]] void place_candidates(const RouteChoice& choice, const ScoreKeys& keys,
                                        const Lanes* scores_C, std::span<LaneKeys> keys_C) {
  const auto columns = static_cast<std::int64_t>(keys_C.size());
  Best kept(scores_C, columns, all_lanes(choice.at_least));
  Best allowed(scores_C, columns, all_lanes(choice.at_most));
  for (std::int64_t i = 0; i < columns; ++i) {
    const LaneInts is_kept = kept.take</*kLeavesEqual=*/true>(scores_C[i]);
    const LaneInts is_candidate = allowed.take</*kLeavesEqual=*/true>(scores_C[i]) & ~is_kept;
    keys_C[static_cast<std::size_t>(i)] =
        std::bit_cast<LaneKeys>(is_candidate) & keys.of(scores_C[i]);
  }
}

void find_candidates(const RouteChoice& choice, const RowBlock& block, Lanes* scores_C,
                     std::span<LaneKeys> keys_S) {
  load_scores(choice, block, scores_C);
  const ScoreKeys keys(choice, block);
  if (has_few_candidates(choice)) {
    rank_candidates<kMostRanked>(choice, keys, scores_C, block.columns, keys_S);
  } else {
    place_candidates(choice, keys, scores_C, keys_S);
  }
}

// Of equal pairs the first are chosen: a block has the room that those before it leave.
void share_room(const QuotaScratch& scratch, std::int64_t rows, std::int64_t columns,
                const Threshold& threshold) {
  std::int64_t room = threshold.room;
  for (std::int64_t index = 0; index < num_row_blocks(rows); ++index) {
    LaneInts equal{};
    for (const LaneKeys& key : scratch.keys_of(row_block(index, rows, columns))) {
      equal -= key == threshold.key;
    }
    scratch.room_of_block[index] = std::min(room, sum_of_lanes(equal));
    room -= scratch.room_of_block[index];
  }
}

template <bool kLeavesEqual>
[[gnu::noinline]] void write_choice(View<std::uint32_t> chosen_RW, const RowBlock& block,
                                    Best chosen, const Lanes* scores_C) {
  const std::int64_t words = num_choice_words(block.columns);
  for (std::int64_t word = 0; word < words; ++word) {
    LaneInts bits{};
    const std::int64_t end = std::min(block.columns, 32 * (word + 1));
    for (std::int64_t i = 32 * word; i < end; ++i) {
      const auto bit = static_cast<std::int32_t>(1U << (i % 32));
      bits |= chosen.take<kLeavesEqual>(scores_C[i]) & bit;
    }
    for (int lane = 0; lane < block.count; ++lane) {
      chosen_RW[(block.first + lane) * words + word] = static_cast<std::uint32_t>(bits[lane]);
    }
  }
}

/// Chooses what each row must run, and of its candidates those above the threshold: a row's keys
/// are in the order of its scores, so these are its best.
void choose_in_block(const RouteQuotaArguments& arguments, const RowBlock& block,
                     std::uint32_t least, std::span<const LaneKeys> keys_S, Lanes* scores_C) {
  LaneInts count = all_lanes(arguments.choice.at_least);
  for (const LaneKeys& key : keys_S) count -= key >= least;
  load_scores(arguments.choice, block, scores_C);
  const Best chosen(scores_C, block.columns, count);
  (chosen.leaves_equal ? write_choice<true> : write_choice<false>)(arguments.chosen_RW, block,
                                                                   chosen, scores_C);
}

std::uint32_t best_below(std::span<const LaneKeys> keys_S, std::uint32_t threshold) {
  LaneKeys best{};
  for (const LaneKeys& key : keys_S) {
    const LaneKeys below = key < threshold ? key : LaneKeys{};
    best = best > below ? best : below;
  }
  std::uint32_t best_of_lanes = kNoCandidate;
  for (int lane = 0; lane < kLanes; ++lane) best_of_lanes = std::max(best_of_lanes, best[lane]);
  return best_of_lanes;
}

/// Chooses the first pairs at the threshold.
void fill_room(const RouteQuotaArguments& arguments, std::span<const LaneKeys> keys_C,
               const RowBlock& block, std::uint32_t threshold, std::int64_t room) {
  const std::int64_t words = num_choice_words(block.columns);
  for (int lane = 0; lane < block.count; ++lane) {
    for (std::int64_t i = 0; room > 0 && i < block.columns; ++i) {
      if (keys_C[static_cast<std::size_t>(i)][lane] != threshold) continue;
      arguments.chosen_RW[(block.first + lane) * words + i / 32] |= std::uint32_t{1} << (i % 32);
      --room;
    }
  }
}

double cut_of(const RouteChoice& choice, const Threshold& threshold, std::uint32_t best_below) {
  const std::uint32_t left_out = threshold.takes_all_equal() ? best_below : threshold.key;
  if (left_out != kNoCandidate) return number_of(left_out);
  return threshold.equal > 0 ? number_of(threshold.key) : choice.cut;
}

void choose_by_quota(const RouteQuotaArguments& arguments, const QuotaScratch& scratch,
                     Workers& workers) {
  const RouteChoice& choice = arguments.choice;
  const std::int64_t rows = choice.scores_RC.dim(0);
  const std::int64_t columns = choice.scores_RC.dim(1);
  for_each_row_block(workers, rows, columns, [&](const RowBlock& block, int worker) {
    find_candidates(choice, block, scratch.scores.of(worker), scratch.keys_of(block));
  });
  const Threshold threshold =
      find_threshold(scratch.keys_BS, arguments.num_chosen - rows * choice.at_least,
                     scratch.count_of_part, workers);
  const bool shares = !threshold.takes_all_equal();
  if (shares) share_room(scratch, rows, columns, threshold);
  for_each_row_block(workers, rows, columns, [&](const RowBlock& block, int worker) {
    Lanes* const scores_C = scratch.scores.of(worker);
    const std::span<const LaneKeys> keys_S = scratch.keys_of(block);
    choose_in_block(arguments, block, threshold.least(), keys_S, scores_C);
    scratch.best_below_of_block[block.index()] = best_below(keys_S, threshold.key);
    if (shares && scratch.room_of_block[block.index()] > 0) {
      const std::span<LaneKeys> keys_C{scratch.placed.of(worker),
                                       static_cast<std::size_t>(columns)};
      place_candidates(choice, ScoreKeys(choice, block), scores_C, keys_C);
      fill_room(arguments, keys_C, block, threshold.key, scratch.room_of_block[block.index()]);
    }
  });
  std::uint32_t best = kNoCandidate;
  for (const std::uint32_t key : scratch.best_below_of_block.span()) best = std::max(best, key);
  const double cut = cut_of(choice, threshold, best);
  arguments.cut_sum[0] += static_cast<double>(rows) * std::clamp(cut, -kMaxQuotaCut, kMaxQuotaCut);
}

}  // namespace

void route_quota(const RouteQuotaArguments& arguments, Arena& scratch, Stream& stream) {
  const ConstTensorView scores_RC = arguments.choice.scores_RC;
  if (scores_RC.dtype() != DType::f32) {
    reference::route_quota(arguments, scratch, stream);
    return;
  }
  const ArenaScope scope(scratch);
  const std::int64_t columns = scores_RC.dim(1);
  const std::int64_t blocks = num_row_blocks(scores_RC.dim(0));
  const std::int64_t keys_per_block = has_few_candidates(arguments.choice)
                                          ? arguments.choice.at_most - arguments.choice.at_least
                                          : columns;
  Workers& workers = stream.workers();
  const QuotaScratch work{
      .scores = {scratch, workers.size(), columns},
      .placed = {scratch, workers.size(), columns},
      .keys_BS = scratch.push<LaneKeys>(blocks * keys_per_block),
      .keys_per_block = keys_per_block,
      .count_of_part = scratch.push<std::int64_t>(num_key_parts(blocks * keys_per_block)),
      .room_of_block = scratch.push<std::int64_t>(blocks),
      .best_below_of_block = scratch.push<std::uint32_t>(blocks)};
  stream.run([arguments, work, &workers] { choose_by_quota(arguments, work, workers); });
}

}  // namespace softmoe::ops::cpu
