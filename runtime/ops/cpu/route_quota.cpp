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

/// The key of the last pair that is chosen, and how many of the pairs with that key are.
struct Threshold {
  std::uint32_t key = 0xffffffffU;  ///< above all keys: nothing is chosen
  std::int64_t room = 0;
};

constexpr int kDigitBits = 11;
constexpr std::int64_t kBuckets = std::int64_t{1} << kDigitBits;
constexpr std::array<int, 3> kDigitShifts = {21, 10, 0};  // the last one repeats a bit

struct QuotaScratch {
  View<float> keys_RC;         ///< bits of a key each
  View<std::int32_t> buckets;  ///< [workers * kBuckets]
  View<std::int64_t> equal_of_block;
  View<std::uint32_t> best_below_of_block;
};

std::uint32_t key_at(const View<float>& keys, std::int64_t i) {
  return std::bit_cast<std::uint32_t>(keys[i]);
}

// One digit of the threshold after the other, from the highest: keys that begin as the threshold
// does are counted by their next digit.
Threshold find_threshold(const QuotaScratch& scratch, std::int64_t wanted, Workers& workers) {
  if (wanted == 0) return {};
  Threshold threshold{.key = 0, .room = wanted};
  std::uint32_t known = 0;  // mask of the digits found
  const std::int64_t num_keys = scratch.keys_RC.size();
  const std::int64_t num_blocks = (num_keys + kBlockElements - 1) / kBlockElements;
  for (const int shift : kDigitShifts) {
    std::fill_n(scratch.buckets.data(), scratch.buckets.size(), 0);
    workers.for_each(num_blocks, [&](std::int64_t block, int worker) {
      std::int32_t* buckets = scratch.buckets.data() + worker * kBuckets;
      const std::int64_t end = std::min(num_keys, (block + 1) * kBlockElements);
      for (std::int64_t i = block * kBlockElements; i < end; ++i) {
        const std::uint32_t key = key_at(scratch.keys_RC, i);
        if ((key & known) == threshold.key) ++buckets[(key >> shift) & (kBuckets - 1)];
      }
    });
    for (std::int64_t bucket = kBuckets - 1; bucket >= 0; --bucket) {
      std::int64_t count = 0;
      for (std::int64_t i = bucket; i < scratch.buckets.size(); i += kBuckets) {
        count += scratch.buckets[i];
      }
      if (threshold.room <= count) {
        threshold.key |= static_cast<std::uint32_t>(bucket) << shift;
        known |= static_cast<std::uint32_t>(kBuckets - 1) << shift;
        break;
      }
      threshold.room -= count;
    }
  }
  return threshold;
}

void look_at_block(const QuotaScratch& scratch, std::int64_t index, const RowBlock& block,
                   std::uint32_t threshold) {
  std::int32_t equal = 0;
  std::uint32_t best_below = kNoCandidate;
  const std::int64_t begin = block.first * block.columns;
  const std::int64_t end = begin + block.count * block.columns;
  for (std::int64_t i = begin; i < end; ++i) {
    const std::uint32_t key = key_at(scratch.keys_RC, i);
    equal += key == threshold ? 1 : 0;
    best_below = std::max(best_below, key < threshold ? key : kNoCandidate);
  }
  scratch.equal_of_block[index] = equal;
  scratch.best_below_of_block[index] = best_below;
}

void choose_in_block(const RouteQuotaArguments& arguments, const QuotaScratch& scratch,
                     const RowBlock& block, const Threshold& threshold, std::int64_t room) {
  const std::int64_t words = num_choice_words(block.columns);
  for (std::int64_t row = block.first; row < block.first + block.count; ++row) {
    for (std::int64_t word = 0; word < words; ++word) {
      std::uint32_t bits = 0;
      const std::int64_t end = std::min(block.columns, 32 * (word + 1));
      for (std::int64_t i = 32 * word; i < end; ++i) {
        const std::uint32_t key = key_at(scratch.keys_RC, row * block.columns + i);
        const bool takes_room = key == threshold.key && room > 0;
        if (takes_room) --room;
        bits |= static_cast<std::uint32_t>(key > threshold.key || takes_room) << (i % 32);
      }
      arguments.chosen_RW[row * words + word] |= bits;
    }
  }
}

double cut_of(const RouteChoice& choice, const Threshold& threshold, std::int64_t num_equal,
              std::uint32_t best_below) {
  const bool leaves_equal = num_equal > threshold.room;
  const std::uint32_t left_out = leaves_equal ? threshold.key : best_below;
  if (left_out != kNoCandidate) return u_of(left_out);
  return num_equal > 0 ? u_of(threshold.key) : choice.cut;
}

void choose_by_quota(const RouteQuotaArguments& arguments, const QuotaScratch& scratch,
                     Workers& workers) {
  const RouteChoice& choice = arguments.choice;
  const std::int64_t rows = choice.scores_RC.dim(0);
  const std::int64_t columns = choice.scores_RC.dim(1);
  const std::int64_t num_blocks = num_row_blocks(rows);
  const Threshold threshold =
      find_threshold(scratch, arguments.num_chosen - rows * choice.at_least, workers);
  workers.for_each(num_blocks, [&](std::int64_t index, int) {
    look_at_block(scratch, index, row_block(index, rows, columns), threshold.key);
  });
  // Of equal pairs the first are chosen: a block has the room that those before it leave.
  std::int64_t num_equal = 0;
  std::uint32_t best_below = kNoCandidate;
  for (std::int64_t index = 0; index < num_blocks; ++index) {
    const std::int64_t here = scratch.equal_of_block[index];
    scratch.equal_of_block[index] = std::max<std::int64_t>(0, threshold.room - num_equal);
    num_equal += here;
    best_below = std::max(best_below, scratch.best_below_of_block[index]);
  }
  workers.for_each(num_blocks, [&](std::int64_t index, int) {
    choose_in_block(arguments, scratch, row_block(index, rows, columns), threshold,
                    scratch.equal_of_block[index]);
  });
  const double cut = cut_of(choice, threshold, num_equal, best_below);
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
  const QuotaScratch work{.keys_RC = scratch.push<float>(rows * columns),
                          .buckets = scratch.push<std::int32_t>(workers.size() * kBuckets),
                          .equal_of_block = scratch.push<std::int64_t>(num_row_blocks(rows)),
                          .best_below_of_block = scratch.push<std::uint32_t>(num_row_blocks(rows))};
  stream.run([arguments, rows, columns, room, work, &workers] {
    workers.for_each(num_row_blocks(rows), [&](std::int64_t index, int worker) {
      prepare_block(arguments, row_block(index, rows, columns), room.data() + worker * columns,
                    work.keys_RC.data());
    });
    choose_by_quota(arguments, work, workers);
  });
}

}  // namespace softmoe::ops::cpu
