#include "runtime/ops/route_quota.h"

#include <algorithm>
#include <array>
#include <bit>

#include "runtime/ops/cpu/blocks.h"
#include "runtime/ops/cpu/route_rank.h"

namespace softmoe::ops::cpu {

#pragma GCC diagnostic ignored "-Wpsabi"

namespace {

// u as an unsigned number of the same order. 0 is below the key of minus infinity: a pair that is
// no candidate.
constexpr std::uint32_t kNoCandidate = 0;

[[gnu::always_inline]] inline LaneInts key_of(Lanes u) {
  u = u == 0.0F ? Lanes{} : u;  // one zero, as comparisons know it
  u = u == u ? u : all_lanes(-std::numeric_limits<float>::infinity());
  const LaneInts bits = std::bit_cast<LaneInts>(u);
  return bits ^ ((bits >> 31) | std::numeric_limits<std::int32_t>::min());
}

float u_of(std::uint32_t key) {
  constexpr std::uint32_t kSign = 0x80000000U;
  return std::bit_cast<float>((key & kSign) != 0 ? key ^ kSign : ~key);
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
                   float* keys_RC) {
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
  const std::int64_t words = num_choice_words(block.columns);
  for (std::int64_t word = 0; word < words; ++word) {
    LaneInts bits{};
    const std::int64_t end = std::min(block.columns, 32 * (word + 1));
    for (std::int64_t i = 32 * word; i < end; ++i) {
      const LaneInts is_kept = kept.take(scores_C[i]);
      const LaneInts is_candidate = allowed.take(scores_C[i]) & ~is_kept;
      bits |= is_kept & static_cast<std::int32_t>(1U << (i % 32));
      // Divided as in the specification: its bits decide.
      const Lanes u = (scores_C[i] - anchor) / alpha + delta;
      scores_C[i] = std::bit_cast<Lanes>(is_candidate & key_of(u));
    }
    for (int lane = 0; lane < block.count; ++lane) {
      arguments.chosen_RW[(block.first + lane) * words + word] =
          static_cast<std::uint32_t>(bits[lane]);
    }
  }
  store_rows(scores_C, block, keys_RC);
}

/// The key of the last pair that is chosen.
struct Threshold {
  std::uint32_t key = 0xffffffffU;  ///< above all keys: nothing is chosen
  std::int64_t equal = 0;           ///< pairs with that key
  std::int64_t room = 0;            ///< how many of them are chosen

  [[nodiscard]] bool takes_all_equal() const { return room == equal; }
};

struct QuotaScratch {
  View<float> keys_RC;                      ///< bits of a key each
  View<std::int64_t> count_of_part;         ///< of the parts that keys are counted in
  View<std::int64_t> room_of_block;         ///< of rows: pairs at the threshold that are chosen
  View<std::uint32_t> best_below_of_block;  ///< the best key below the threshold
};

std::uint32_t key_at(const View<float>& keys, std::int64_t i) {
  return std::bit_cast<std::uint32_t>(keys[i]);
}

std::int64_t num_parts(std::int64_t keys) {
  return (keys + kBlockElements - 1) / kBlockElements;
}

/// How many keys are at least `least`: a pass over them by vectors takes less than a microsecond
/// where a worker's cache holds them.
std::int64_t count_from(const QuotaScratch& scratch, std::uint32_t least, Workers& workers) {
  const auto count_part = [&](std::int64_t begin, std::int64_t end) {
    std::int32_t count = 0;
#pragma GCC unroll 4
    for (std::int64_t i = begin; i < end; ++i) {
      count += key_at(scratch.keys_RC, i) >= least ? 1 : 0;
    }
    scratch.count_of_part[begin / kBlockElements] = count;
  };
  for_blocks(workers, scratch.keys_RC.size(), kBlockElements, count_part);
  std::int64_t sum = 0;
  for (const std::int64_t count : scratch.count_of_part.span()) sum += count;
  return sum;
}

// The largest key that enough keys reach, bit by bit from the highest.
Threshold find_threshold(const QuotaScratch& scratch, std::int64_t wanted, Workers& workers) {
  if (wanted == 0) return {};
  std::uint32_t key = 0;
  std::int64_t reach = scratch.keys_RC.size();  // the key
  std::int64_t exceed = 0;                      // the key, once its last bit is known
  for (std::uint32_t bit = 0x80000000U; bit != 0; bit >>= 1) {
    const std::int64_t count = count_from(scratch, key | bit, workers);
    if (count >= wanted) {
      key |= bit;
      reach = count;
    } else {
      exceed = count;
    }
  }
  return {.key = key, .equal = reach - exceed, .room = wanted - exceed};
}

// Of equal pairs the first are chosen: a block has the room that those before it leave.
void share_room(const QuotaScratch& scratch, std::int64_t rows, std::int64_t columns,
                const Threshold& threshold) {
  std::int64_t room = threshold.room;
  for (std::int64_t index = 0; index < num_row_blocks(rows); ++index) {
    const RowBlock block = row_block(index, rows, columns);
    const std::int64_t begin = block.first * columns;
    std::int64_t equal = 0;
    for (std::int64_t i = begin; i < begin + block.count * columns; ++i) {
      equal += key_at(scratch.keys_RC, i) == threshold.key ? 1 : 0;
    }
    scratch.room_of_block[index] = std::min(room, equal);
    room -= scratch.room_of_block[index];
  }
}

/// @param room  pairs at the threshold that are chosen here, if not all of them
void choose_in_block(const RouteQuotaArguments& arguments, const View<float>& keys_RC,
                     const RowBlock& block, const Threshold& threshold, std::int64_t room) {
  const std::uint32_t least = threshold.takes_all_equal() ? threshold.key : threshold.key + 1;
  const std::int64_t words = num_choice_words(block.columns);
  for (std::int64_t row = block.first; row < block.first + block.count; ++row) {
    for (std::int64_t word = 0; word < words; ++word) {
      std::uint32_t bits = 0;
      const std::int64_t end = std::min(block.columns, 32 * (word + 1));
      for (std::int64_t i = 32 * word; i < end; ++i) {
        const std::uint32_t key = key_at(keys_RC, row * block.columns + i);
        bits |= static_cast<std::uint32_t>(key >= least) << (i % 32);
      }
      for (std::int64_t i = 32 * word; room > 0 && i < end; ++i) {
        if (key_at(keys_RC, row * block.columns + i) != threshold.key) continue;
        bits |= std::uint32_t{1} << (i % 32);
        --room;
      }
      arguments.chosen_RW[row * words + word] |= bits;
    }
  }
}

std::uint32_t best_below(const View<float>& keys_RC, const RowBlock& block,
                         std::uint32_t threshold) {
  std::uint32_t best = kNoCandidate;
  const std::int64_t begin = block.first * block.columns;
  for (std::int64_t i = begin; i < begin + block.count * block.columns; ++i) {
    // Masked, not chosen: of this form the compiler makes vectors.
    const std::uint32_t key = key_at(keys_RC, i);
    best = std::max(best, key & -static_cast<std::uint32_t>(key < threshold));
  }
  return best;
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
    choose_in_block(arguments, scratch.keys_RC, block, threshold,
                    shares ? scratch.room_of_block[block.index()] : 0);
    scratch.best_below_of_block[block.index()] = best_below(scratch.keys_RC, block, threshold.key);
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
  const std::int64_t keys = rows * columns;
  const QuotaScratch work{.keys_RC = scratch.push<float>(keys),
                          .count_of_part = scratch.push<std::int64_t>(num_parts(keys)),
                          .room_of_block = scratch.push<std::int64_t>(num_row_blocks(rows)),
                          .best_below_of_block = scratch.push<std::uint32_t>(num_row_blocks(rows))};
  stream.run([arguments, rows, columns, room, work, &workers] {
    for_each_row_block(workers, rows, columns, [&](const RowBlock& block, int worker) {
      prepare_block(arguments, block, room.data() + worker * columns, work.keys_RC.data());
    });
    choose_by_quota(arguments, work, workers);
  });
}

}  // namespace softmoe::ops::cpu
