#include "runtime/ops/route_quota.h"

#include <algorithm>
#include <array>
#include <bit>
#include <functional>

#include "runtime/ops/cpu/blocks.h"
#include "runtime/ops/cpu/route_rank.h"

namespace softmoe::ops::cpu {

#pragma GCC diagnostic ignored "-Wpsabi"

namespace {

/// u as unsigned numbers of the same order.
using LaneKeys = std::uint32_t __attribute__((vector_size(kLanes * sizeof(std::uint32_t))));

// Below the key of minus infinity: a pair that is no candidate.
constexpr std::uint32_t kNoCandidate = 0;

[[gnu::always_inline]] inline LaneKeys key_of(Lanes u) {
  u = u == 0.0F ? Lanes{} : u;  // one zero, as comparisons know it
  u = u == u ? u : all_lanes(-std::numeric_limits<float>::infinity());
  const LaneInts bits = std::bit_cast<LaneInts>(u);
  return std::bit_cast<LaneKeys>(bits ^ ((bits >> 31) | std::numeric_limits<std::int32_t>::min()));
}

float u_of(std::uint32_t key) {
  constexpr std::uint32_t kSign = 0x80000000U;
  return std::bit_cast<float>((key & kSign) != 0 ? key ^ kSign : ~key);
}

/// All bits of the lanes whose rows exist.
LaneInts existing_rows(const RowBlock& block) {
  LaneInts exists;
  for (int lane = 0; lane < kLanes; ++lane) exists[lane] = lane < block.count ? -1 : 0;
  return exists;
}

/// The best so many scores of each row: all above a value, and the first of those equal to it.
struct Best {
  Lanes value;
  LaneInts room;

  [[gnu::always_inline]] LaneInts take(Lanes score) {
    const LaneInts takes_room = (score == value) & (room > 0);
    room += takes_room;
    return (score > value) | takes_room;
  }
};

Best best_of(const Lanes* scores_C, std::int64_t columns, int count) {
  const LaneInts wanted = all_lanes(count);
  // Minus infinity is the score of what is NaN: all of them are taken where all are wanted.
  if (count == columns) {
    return {.value = all_lanes(-std::numeric_limits<float>::infinity()), .room = wanted};
  }
  const Lanes value = value_of_rank(scores_C, columns, wanted);
  return {.value = value, .room = wanted - count_scores(scores_C, columns, [value](Lanes score) {
                                    return score > value;
                                  })};
}

/// Chooses the best at_least of sixteen rows and leaves the keys of the candidates.
void prepare_block(const RouteQuotaArguments& arguments, const RowBlock& block, Lanes* scores_C,
                   LaneKeys* keys_C) {
  const RouteChoice& choice = arguments.choice;
  load_rows(choice.scores_RC.as<float>().data(), block, scores_C);
  for (std::int64_t i = 0; i < block.columns; ++i) {
    const Lanes score = scores_C[i];
    scores_C[i] = score == score ? score : all_lanes(-std::numeric_limits<float>::infinity());
  }
  Best kept = best_of(scores_C, block.columns, choice.at_least);
  Best allowed = best_of(scores_C, block.columns, choice.at_most);
  const float* anchors = choice.anchor_R2.as<float>().data();
  const Lanes anchor = load_per_row(anchors, 2, block);
  const Lanes delta = load_per_row(anchors + 1, 2, block);
  const auto alpha = static_cast<float>(choice.alpha);
  const LaneInts exists = existing_rows(block);
  const std::int64_t words = num_choice_words(block.columns);
  for (std::int64_t word = 0; word < words; ++word) {
    LaneInts bits{};
    const std::int64_t end = std::min(block.columns, 32 * (word + 1));
    for (std::int64_t i = 32 * word; i < end; ++i) {
      const LaneInts is_kept = kept.take(scores_C[i]);
      const LaneInts is_candidate = allowed.take(scores_C[i]) & ~is_kept & exists;
      bits |= is_kept & static_cast<std::int32_t>(1U << (i % 32));
      // Divided as in the specification: its bits decide.
      const Lanes u = (scores_C[i] - anchor) / alpha + delta;
      keys_C[i] = std::bit_cast<LaneKeys>(is_candidate) & key_of(u);
    }
    for (int lane = 0; lane < block.count; ++lane) {
      arguments.chosen_RW[(block.first + lane) * words + word] =
          static_cast<std::uint32_t>(bits[lane]);
    }
  }
}

/// The key of the last pair that is chosen.
struct Threshold {
  std::uint32_t key = 0xffffffffU;  ///< above all keys: nothing is chosen
  std::int64_t equal = 0;           ///< pairs with that key
  std::int64_t room = 0;            ///< how many of them are chosen

  [[nodiscard]] bool takes_all_equal() const { return room == equal; }
  /// The least key that is chosen wherever it is.
  [[nodiscard]] std::uint32_t least() const { return takes_all_equal() ? key : key + 1; }
};

struct QuotaScratch {
  View<LaneKeys> keys_BC;                   ///< of blocks of sixteen rows, column by column
  View<std::int64_t> count_of_part;         ///< of the parts that keys are counted in
  View<std::int64_t> room_of_block;         ///< of rows: pairs at the threshold that are chosen
  View<std::uint32_t> best_below_of_block;  ///< the best key below the threshold
};

// Keys that a worker counts at a time, in vectors.
constexpr std::int64_t kPart = kBlockElements / kLanes;

std::int64_t num_parts(std::int64_t vectors) {
  return (vectors + kPart - 1) / kPart;
}

std::int64_t sum_of_lanes(LaneInts value) {
  std::int64_t sum = 0;
  for (int lane = 0; lane < kLanes; ++lane) sum += value[lane];
  return sum;
}

/// How many keys are at least `least`.
std::int64_t count_from(const QuotaScratch& scratch, std::uint32_t least, Workers& workers) {
  const LaneKeys* const keys = scratch.keys_BC.data();
  for_blocks(workers, scratch.keys_BC.size(), kPart, [&](std::int64_t begin, std::int64_t end) {
    LaneInts count{};
#pragma GCC unroll 4
    for (std::int64_t i = begin; i < end; ++i) count -= keys[i] >= least;
    scratch.count_of_part[begin / kPart] = sum_of_lanes(count);
  });
  std::int64_t sum = 0;
  for (const std::int64_t count : scratch.count_of_part.span()) sum += count;
  return sum;
}

/// Keys from `least` to `most`, of which there are at most so many.
constexpr std::int64_t kFewKeys = 256;

struct FewKeys {
  std::array<std::uint32_t, kFewKeys> key{};
  std::int64_t count = 0;

  FewKeys(const QuotaScratch& scratch, std::uint32_t least, std::uint32_t most) {
    constexpr std::int64_t kAtOnce = 8;  // vectors of which hardly any has one of these keys
    const LaneKeys* const keys = scratch.keys_BC.data();
    const std::int64_t vectors = scratch.keys_BC.size();
    for (std::int64_t begin = 0; begin < vectors; begin += kAtOnce) {
      const std::int64_t end = std::min(vectors, begin + kAtOnce);
      LaneInts has_one{};
      for (std::int64_t i = begin; i < end; ++i) has_one |= keys[i] - least <= most - least;
      if (any_lane(has_one)) take(keys + begin, keys + end, least, most);
    }
  }

  /// @param rank  from 1
  [[nodiscard]] Threshold of_rank(std::int64_t rank) {
    const auto end = key.begin() + count;
    const auto last = key.begin() + (rank - 1);
    std::nth_element(key.begin(), last, end, std::greater<>());
    const std::uint32_t value = *last;
    const std::int64_t above = std::count_if(key.begin(), last, [&](auto k) { return k > value; });
    return {.key = value, .equal = std::count(key.begin(), end, value), .room = rank - above};
  }

 private:
  void take(const LaneKeys* begin, const LaneKeys* end, std::uint32_t least, std::uint32_t most) {
    for (const LaneKeys* keys = begin; keys < end; ++keys) {
      const LaneInts is_one = *keys - least <= most - least;
      if (!any_lane(is_one)) continue;
      for (int lane = 0; lane < kLanes; ++lane) {
        if (is_one[lane] != 0) key[static_cast<std::size_t>(count++)] = (*keys)[lane];
      }
    }
  }
};

// The largest key that enough keys reach: bit by bit from the highest, until few are left.
Threshold find_threshold(const QuotaScratch& scratch, std::int64_t wanted, Workers& workers) {
  if (wanted == 0) return {};
  std::uint32_t key = 0;
  std::int64_t reach = scratch.keys_BC.size() * kLanes;  // the key
  std::int64_t exceed = 0;                               // all keys with its known bits
  std::uint32_t bit = 0x80000000U;
  for (; bit != 0 && reach - exceed > kFewKeys; bit >>= 1) {
    const std::int64_t count = count_from(scratch, key | bit, workers);
    if (count >= wanted) {
      key |= bit;
      reach = count;
    } else {
      exceed = count;
    }
  }
  if (bit == 0) return {.key = key, .equal = reach - exceed, .room = wanted - exceed};
  return FewKeys(scratch, key, key | (2 * bit - 1)).of_rank(wanted - exceed);
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
  if (left_out != kNoCandidate) return u_of(left_out);
  return threshold.equal > 0 ? u_of(threshold.key) : choice.cut;
}

void choose_by_quota(const RouteQuotaArguments& arguments, const QuotaScratch& scratch,
                     Workers& workers) {
  const RouteChoice& choice = arguments.choice;
  const std::int64_t rows = choice.scores_RC.dim(0);
  const std::int64_t columns = choice.scores_RC.dim(1);
  const Threshold threshold =
      find_threshold(scratch, arguments.num_chosen - rows * choice.at_least, workers);
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
  const std::int64_t vectors = blocks * columns;
  const QuotaScratch work{.keys_BC = scratch.push<LaneKeys>(vectors),
                          .count_of_part = scratch.push<std::int64_t>(num_parts(vectors)),
                          .room_of_block = scratch.push<std::int64_t>(blocks),
                          .best_below_of_block = scratch.push<std::uint32_t>(blocks)};
  stream.run([arguments, rows, columns, room, work, &workers] {
    for_each_row_block(workers, rows, columns, [&](const RowBlock& block, int worker) {
      prepare_block(arguments, block, room.data() + worker * columns, keys_of(work, block));
    });
    choose_by_quota(arguments, work, workers);
  });
}

}  // namespace softmoe::ops::cpu
