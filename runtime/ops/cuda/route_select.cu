#include "runtime/ops/route_select.h"

#include "runtime/ops/cuda/warp_rank.h"
#include "runtime/ops/route_types.h"

namespace softmoe::ops::cuda {

using softmoe::cuda::blocks_for;
using softmoe::cuda::launch;

namespace {

struct SelectRows {
  const float* scores_RC;
  const float* anchor_R2;  // null: no score is above the cut
  float alpha;
  float cut;
  int at_least;
  int at_most;
  std::uint32_t* chosen_RW;
  std::int64_t num_rows;
  int columns;
};

template <int kPerLane>
__device__ int count_to_choose(const SelectRows& rows, std::int64_t row,
                               const LaneColumns<kPerLane>& lanes,
                               const float (&scores)[kPerLane]) {
  int above = 0;
  if (rows.anchor_R2 != nullptr) {
    const float anchor = rows.anchor_R2[2 * row];
    const float delta = rows.anchor_R2[2 * row + 1];
    above = lanes.sum([&](int slot) {
      const float u = (scores[slot] - anchor) / rows.alpha + delta;
      return u > rows.cut ? 1 : 0;
    });
  }
  return above < rows.at_least ? rows.at_least : (above > rows.at_most ? rows.at_most : above);
}

// u rises with the score, so the chosen are always the best so many. Votes of the warp are the
// words of the answer; they go from low to high columns, and so do ties.
template <int kPerLane>
__global__ void __launch_bounds__(kRowThreads) select_rows(SelectRows rows) {
  const std::int64_t row = row_of_warp();
  if (row >= rows.num_rows) return;
  const LaneColumns<kPerLane> lanes{rows.columns};
  float scores[kPerLane];
  lanes.load(rows.scores_RC + row * rows.columns, scores);
  std::uint32_t keys[kPerLane];
  fill_order_keys(lanes, scores, keys);

  const int count = count_to_choose(rows, row, lanes, scores);
  constexpr std::uint32_t kBeyondAll = 0xffffffffU;
  const std::uint32_t last_key = count == 0 ? kBeyondAll : key_of_rank(keys, count);
  int ties_left = count == 0 ? 0 : count - count_keys_from(keys, last_key + 1);
  const int words = (rows.columns + kWarp - 1) / kWarp;
  const unsigned lower_lanes = (1U << lane_index()) - 1;
  for (int slot = 0; slot < kPerLane; ++slot) {
    const unsigned tied = __ballot_sync(kAllLanes, keys[slot] == last_key);
    const bool wins_tie = keys[slot] == last_key && __popc(tied & lower_lanes) < ties_left;
    const unsigned chosen = __ballot_sync(kAllLanes, keys[slot] > last_key || wins_tie);
    ties_left -= __popc(tied);
    if (lane_index() == 0 && slot < words) rows.chosen_RW[row * words + slot] = chosen;
  }
}

constexpr int kHashThreads = 128;

struct HashRows {
  const std::int32_t* id_R;
  RandomKey key;
  int count;
  int columns;
  std::uint32_t* chosen_RW;
  std::int64_t num_rows;
};

/// The column that has `skip` clear bits before it, and is clear itself.
__device__ int clear_bit(const std::uint32_t* words, int skip) {
  int word = 0;
  for (int clear = __popc(~words[0]); clear <= skip; clear = __popc(~words[word])) {
    skip -= clear;
    ++word;
  }
  std::uint32_t left = ~words[word];
  for (; skip > 0; --skip) left &= left - 1;
  return word * 32 + __ffs(static_cast<int>(left)) - 1;
}

// One thread a row: draw j picks one of the C - j columns that are left.
__global__ void __launch_bounds__(kHashThreads) hash_rows(HashRows rows) {
  const std::int64_t row = static_cast<std::int64_t>(blockIdx.x) * kHashThreads + threadIdx.x;
  if (row >= rows.num_rows) return;
  const int words = (rows.columns + 31) / 32;
  std::uint32_t* chosen = rows.chosen_RW + row * words;
  for (int word = 0; word < words; ++word) chosen[word] = 0;
  const auto index = static_cast<std::uint64_t>(rows.id_R[row]);
  for (int draw = 0; draw < rows.count; ++draw) {
    const std::uint32_t random =
        philox(rows.key, index, static_cast<std::uint32_t>(draw / 4))[draw % 4];
    const auto left = static_cast<std::uint64_t>(rows.columns - draw);
    const int column = clear_bit(chosen, static_cast<int>((random * left) >> 32));
    chosen[column / 32] |= 1U << (column % 32);
  }
}

}  // namespace

void route_select(const RouteChoice& choice, View<std::uint32_t> chosen_RW, Arena& /*scratch*/,
                  Stream& stream) {
  require_f32("route_select", choice.scores_RC.dtype());
  const bool has_anchor = is_present(choice.anchor_R2);
  const SelectRows rows{.scores_RC = choice.scores_RC.as<float>().data(),
                        .anchor_R2 = has_anchor ? choice.anchor_R2.as<float>().data() : nullptr,
                        .alpha = static_cast<float>(choice.alpha),
                        .cut = static_cast<float>(choice.cut),
                        .at_least = choice.at_least,
                        .at_most = choice.at_most,
                        .chosen_RW = chosen_RW.data(),
                        .num_rows = choice.scores_RC.dim(0),
                        .columns = static_cast<int>(choice.scores_RC.dim(1))};
  visit_columns_per_lane("route_select", rows.columns, [&]<int kPerLane>() {
    launch(select_rows<kPerLane>, warp_per_row(rows.num_rows), stream, rows);
  });
}

void route_hash(const RouteHashArguments& arguments, Stream& stream) {
  const HashRows rows{.id_R = arguments.id_R.data(),
                      .key = arguments.key,
                      .count = arguments.count,
                      .columns = narrow<int>(arguments.columns),
                      .chosen_RW = arguments.chosen_RW.data(),
                      .num_rows = arguments.id_R.size()};
  launch(hash_rows, {.blocks = blocks_for(rows.num_rows, kHashThreads), .threads = kHashThreads},
         stream, rows);
}

}  // namespace softmoe::ops::cuda
