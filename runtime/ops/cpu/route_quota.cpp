#include "runtime/ops/route_quota.h"

#include <algorithm>
#include <array>

#include "runtime/ops/cpu/quota_keys.h"
#include "runtime/ops/cpu/route_rank.h"

namespace softmoe::ops::cpu {

namespace {

/// Up to so many candidates of a row are known in order, and its keys need not all be searched.
constexpr int kMostRanked = 16;

struct QuotaScratch {
  View<LaneKeys> keys_BC;    ///< of blocks of sixteen rows, column by column
  View<LaneKeys> ranked_BS;  ///< keys of the candidates by their rank in the row; none if not few
  View<std::int64_t> count_of_part;         ///< of the parts that keys are counted in
  View<std::int64_t> room_of_block;         ///< of rows: pairs at the threshold that are chosen
  View<std::uint32_t> best_below_of_block;  ///< the best key below the threshold
};

/// Candidates of a row if they are few, else 0.
std::int64_t num_ranked(const RouteChoice& choice) {
  return choice.at_most <= kMostRanked ? choice.at_most - choice.at_least : 0;
}

/// All bits of the lanes whose rows exist.
LaneInts existing_rows(const RowBlock& block) {
  LaneInts exists;
  for (int lane = 0; lane < kLanes; ++lane) exists[lane] = lane < block.count ? -1 : 0;
  return exists;
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
  LaneInts room;

  Best(const Lanes* scores_C, std::int64_t columns, int count, Lanes value_of_last)
      : value(value_of_last),
        room(count -
             count_scores(scores_C, columns, [this](Lanes score) { return score > value; })) {}

  [[gnu::always_inline]] LaneInts take(Lanes score) {
    const LaneInts takes_room = (score == value) & (room > 0);
    room += takes_room;
    return (score > value) | takes_room;
  }
};

/// Scores that decide what is kept and what is allowed in each row.
struct LastScores {
  Lanes kept;
  Lanes allowed;
};

/// Finds them among the best kBest, and leaves the keys of the candidates between them.
template <int kBest>
[[gnu::noinline]] LastScores rank_candidates(const RouteChoice& choice, const ScoreKeys& keys,
                                             const Lanes* scores_C, std::int64_t columns,
                                             LaneKeys* ranked_S) {
  const std::array<Lanes, kBest> best = best_scores<kBest>(scores_C, columns);
  const auto of_rank = [&](int rank) {
    return rank == 0 ? all_lanes(std::numeric_limits<float>::infinity())
                     : best[static_cast<std::size_t>(rank - 1)];
  };
  for (int rank = choice.at_least + 1; rank <= choice.at_most; ++rank) {
    ranked_S[rank - choice.at_least - 1] = keys.of(of_rank(rank));
  }
  return {.kept = of_rank(choice.at_least), .allowed = of_rank(choice.at_most)};
}

/// @param ranked_S  null where the candidates are many
LastScores last_scores(const RouteChoice& choice, const ScoreKeys& keys, const Lanes* scores_C,
                       std::int64_t columns, LaneKeys* ranked_S) {
  if (ranked_S == nullptr) {
    return {.kept = value_of_rank(scores_C, columns, all_lanes(choice.at_least)),
            .allowed = value_of_rank(scores_C, columns, all_lanes(choice.at_most))};
  }
  return choice.at_most <= kMostRanked / 2
             ? rank_candidates<kMostRanked / 2>(choice, keys, scores_C, columns, ranked_S)
             : rank_candidates<kMostRanked>(choice, keys, scores_C, columns, ranked_S);
}

/// Chooses the best at_least of sixteen rows and leaves the keys of the candidates.
void prepare_block(const RouteQuotaArguments& arguments, const RowBlock& block, Lanes* scores_C,
                   LaneKeys* keys_C, LaneKeys* ranked_S) {
  const RouteChoice& choice = arguments.choice;
  load_rows(choice.scores_RC.as<float>().data(), block, scores_C);
  for (std::int64_t i = 0; i < block.columns; ++i) {
    const Lanes score = scores_C[i];
    scores_C[i] = score == score ? score : all_lanes(-std::numeric_limits<float>::infinity());
  }
  const ScoreKeys keys(choice, block);
  const LastScores last = last_scores(choice, keys, scores_C, block.columns, ranked_S);
  Best kept(scores_C, block.columns, choice.at_least, last.kept);
  Best allowed(scores_C, block.columns, choice.at_most, last.allowed);
  const std::int64_t words = num_choice_words(block.columns);
  for (std::int64_t word = 0; word < words; ++word) {
    LaneInts bits{};
    const std::int64_t end = std::min(block.columns, 32 * (word + 1));
    for (std::int64_t i = 32 * word; i < end; ++i) {
      const LaneInts is_kept = kept.take(scores_C[i]);
      const LaneInts is_candidate = allowed.take(scores_C[i]) & ~is_kept;
      bits |= is_kept & static_cast<std::int32_t>(1U << (i % 32));
      keys_C[i] = std::bit_cast<LaneKeys>(is_candidate) & keys.of(scores_C[i]);
    }
    for (int lane = 0; lane < block.count; ++lane) {
      arguments.chosen_RW[(block.first + lane) * words + word] =
          static_cast<std::uint32_t>(bits[lane]);
    }
  }
}

LaneKeys* keys_of(const QuotaScratch& scratch, const RowBlock& block) {
  return scratch.keys_BC.data() + block.index() * block.columns;
}

// Of equal pairs the first are chosen: a block has the room that those before it leave.
void share_room(const QuotaScratch& scratch, std::int64_t rows, std::int64_t columns,
                const Threshold& threshold) {
  std::int64_t room = threshold.room;
  for (std::int64_t index = 0; index < num_row_blocks(rows); ++index) {
    const LaneKeys* const keys_C = keys_of(scratch, row_block(index, rows, columns));
    LaneInts equal{};
    for (std::int64_t i = 0; i < columns; ++i) equal -= keys_C[i] == threshold.key;
    scratch.room_of_block[index] = std::min(room, sum_of_lanes(equal));
    room -= scratch.room_of_block[index];
  }
}

/// Chooses what is above the threshold, and returns the best key below it.
std::uint32_t choose_in_block(const RouteQuotaArguments& arguments, const LaneKeys* keys_C,
                              const RowBlock& block, const Threshold& threshold) {
  const std::uint32_t least = threshold.least();
  const std::int64_t words = num_choice_words(block.columns);
  LaneKeys best{};
  for (std::int64_t word = 0; word < words; ++word) {
    LaneInts bits{};
    const std::int64_t end = std::min(block.columns, 32 * (word + 1));
    for (std::int64_t i = 32 * word; i < end; ++i) {
      const LaneKeys below = keys_C[i] < threshold.key ? keys_C[i] : LaneKeys{};
      best = best > below ? best : below;
      bits |= (keys_C[i] >= least) & static_cast<std::int32_t>(1U << (i % 32));
    }
    for (int lane = 0; lane < block.count; ++lane) {
      arguments.chosen_RW[(block.first + lane) * words + word] |=
          static_cast<std::uint32_t>(bits[lane]);
    }
  }
  std::uint32_t best_of_lanes = kNoCandidate;
  for (int lane = 0; lane < kLanes; ++lane) best_of_lanes = std::max(best_of_lanes, best[lane]);
  return best_of_lanes;
}

/// Chooses the first pairs at the threshold.
void fill_room(const RouteQuotaArguments& arguments, const LaneKeys* keys_C, const RowBlock& block,
               std::uint32_t threshold, std::int64_t room) {
  const std::int64_t words = num_choice_words(block.columns);
  for (int lane = 0; lane < block.count; ++lane) {
    for (std::int64_t i = 0; room > 0 && i < block.columns; ++i) {
      if (keys_C[i][lane] != threshold) continue;
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
  const Threshold threshold =
      find_threshold(scratch.ranked_BS.empty() ? scratch.keys_BC : scratch.ranked_BS,
                     arguments.num_chosen - rows * choice.at_least, scratch.count_of_part, workers);
  const bool shares = !threshold.takes_all_equal();
  if (shares) share_room(scratch, rows, columns, threshold);
  for_each_row_block(workers, rows, columns, [&](const RowBlock& block, int) {
    const LaneKeys* const keys_C = keys_of(scratch, block);
    scratch.best_below_of_block[block.index()] =
        choose_in_block(arguments, keys_C, block, threshold);
    if (shares) {
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
  const std::int64_t rows = scores_RC.dim(0);
  const std::int64_t columns = scores_RC.dim(1);
  Workers& workers = stream.workers();
  const View<Lanes> room = scratch.push<Lanes>(workers.size() * columns);
  const std::int64_t blocks = num_row_blocks(rows);
  const std::int64_t ranked = num_ranked(arguments.choice);
  const std::int64_t searched = blocks * (ranked > 0 ? ranked : columns);
  const QuotaScratch work{.keys_BC = scratch.push<LaneKeys>(blocks * columns),
                          .ranked_BS = scratch.push<LaneKeys>(blocks * ranked),
                          .count_of_part = scratch.push<std::int64_t>(num_key_parts(searched)),
                          .room_of_block = scratch.push<std::int64_t>(blocks),
                          .best_below_of_block = scratch.push<std::uint32_t>(blocks)};
  stream.run([arguments, rows, columns, ranked, room, work, &workers] {
    for_each_row_block(workers, rows, columns, [&](const RowBlock& block, int worker) {
      prepare_block(arguments, block, room.data() + worker * columns, keys_of(work, block),
                    ranked > 0 ? work.ranked_BS.data() + block.index() * ranked : nullptr);
    });
    choose_by_quota(arguments, work, workers);
  });
}

}  // namespace softmoe::ops::cpu
