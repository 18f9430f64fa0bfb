#include "runtime/ops/route_quota.h"

#include "runtime/device/cuda/shared_memory.h"
#include "runtime/ops/cuda/scan.h"
#include "runtime/ops/cuda/warp_rank.h"

namespace softmoe::ops::cuda {

using softmoe::cuda::blocks_for;
using softmoe::cuda::launch;

namespace {

/// Not the key of any number: nothing is at or above it.
constexpr std::uint32_t kBeyondAll = 0xffffffffU;
/// The key of what is no candidate, below those of all numbers.
constexpr std::uint32_t kNoCandidate = 0;

struct QuotaRows {
  const float* scores_RC;
  const float* anchor_R2;
  float alpha;
  int at_least;
  int at_most;
  std::uint32_t* chosen_RW;
  std::uint32_t* keys_RC;  // of u for candidates
  std::int64_t num_rows;
  int columns;
};

/// The key of the last pair that is chosen, found digit by digit from the top.
struct Threshold {
  std::uint32_t key;
  std::uint32_t known;  // mask of the digits found
  int room;             // pairs to choose among the keys that begin like this one
};

/// The best so many columns of a row, asked slot by slot. Votes of the warp go from low to high
/// columns, and so do ties. All lanes call.
class BestColumns {
 public:
  template <int kPerLane>
  __device__ BestColumns(const std::uint32_t (&keys)[kPerLane], int count)
      : last_key_(count == 0 ? kBeyondAll : key_of_rank(keys, count)),
        ties_left_(count == 0 ? 0 : count - count_keys_from(keys, last_key_ + 1)) {}

  /// Whether the column of this lane in the next slot, of that key, is one of them.
  __device__ bool take(std::uint32_t key) {
    const unsigned lower_lanes = (1U << lane_index()) - 1;
    const unsigned tied = __ballot_sync(kAllLanes, key == last_key_);
    const bool wins_tie = key == last_key_ && __popc(tied & lower_lanes) < ties_left_;
    ties_left_ -= __popc(tied);
    return key > last_key_ || wins_tie;
  }

 private:
  std::uint32_t last_key_;
  int ties_left_;
};

template <int kPerLane>
__global__ void __launch_bounds__(kRowThreads) prepare_rows(QuotaRows rows) {
  const std::int64_t row = row_of_warp();
  if (row >= rows.num_rows) return;
  const LaneColumns<kPerLane> lanes{rows.columns};
  float scores[kPerLane];
  lanes.load(rows.scores_RC + row * rows.columns, scores);
  std::uint32_t keys[kPerLane];
  fill_order_keys(lanes, scores, keys);
  BestColumns kept(keys, rows.at_least);
  BestColumns allowed(keys, rows.at_most);
  const float anchor = rows.anchor_R2[2 * row];
  const float delta = rows.anchor_R2[2 * row + 1];
  const int words = (rows.columns + kWarp - 1) / kWarp;
  for (int slot = 0; slot < kPerLane; ++slot) {
    const bool is_kept = kept.take(keys[slot]);
    const bool is_candidate = allowed.take(keys[slot]) && !is_kept;
    const unsigned votes = __ballot_sync(kAllLanes, is_kept);
    if (lane_index() == 0 && slot < words) rows.chosen_RW[row * words + slot] = votes;
    const int column = slot * kWarp + lane_index();
    if (column < rows.columns) {
      const float u = (scores[slot] - anchor) / rows.alpha + delta;
      rows.keys_RC[row * rows.columns + column] = is_candidate ? order_key(u) : kNoCandidate;
    }
  }
}

constexpr int kDigitWarps = 8;
constexpr int kDigitThreads = kDigitWarps * kWarp;
constexpr int kBuckets = 2048;
constexpr int kBucketsPerThread = kBuckets / kDigitThreads;
constexpr int kDigitShifts[] = {21, 10, 0};  // the last one repeats a bit
constexpr std::int64_t kKeysPerBlock = 8192;
constexpr std::int64_t kBucketBytes = kBuckets * static_cast<std::int64_t>(sizeof(int));

// One block.
__global__ void __launch_bounds__(kDigitThreads)
    begin_search(Threshold* threshold, int wanted, int* buckets) {
  for (int i = static_cast<int>(threadIdx.x); i < kBuckets; i += kDigitThreads) buckets[i] = 0;
  if (threadIdx.x != 0) return;
  *threshold = {.key = wanted == 0 ? kBeyondAll : 0, .known = 0, .room = wanted};
}

// Counts the keys that begin as the threshold does by their next digit. Integers: their sum does
// not depend on who comes first.
__global__ void __launch_bounds__(kDigitThreads)
    count_digits(const std::uint32_t* keys, std::int64_t num_keys, const Threshold* threshold,
                 int shift, int* buckets) {
  int* const own = softmoe::cuda::shared_memory<int>();
  for (int i = static_cast<int>(threadIdx.x); i < kBuckets; i += kDigitThreads) own[i] = 0;
  __syncthreads();
  const std::uint32_t prefix = threshold->key;
  const std::uint32_t known = threshold->known;
  const std::int64_t begin = static_cast<std::int64_t>(blockIdx.x) * kKeysPerBlock;
  const std::int64_t end = begin + kKeysPerBlock < num_keys ? begin + kKeysPerBlock : num_keys;
  for (std::int64_t i = begin + threadIdx.x; i < end; i += kDigitThreads) {
    const std::uint32_t key = keys[i];
    if ((key & known) == prefix) atomicAdd(&own[(key >> shift) & (kBuckets - 1)], 1);
  }
  __syncthreads();
  for (int i = static_cast<int>(threadIdx.x); i < kBuckets; i += kDigitThreads) {
    if (own[i] != 0) atomicAdd(&buckets[i], own[i]);
  }
}

// One block: the bucket in which the room ends, from the largest digit down. Leaves the buckets
// empty. Thread t owns the t-th highest few.
__global__ void __launch_bounds__(kDigitThreads)
    pick_digit(Threshold* threshold, int shift, int* buckets) {
  int* const warp_totals = softmoe::cuda::shared_memory<int>();
  int* const own = buckets + kBuckets - (static_cast<int>(threadIdx.x) + 1) * kBucketsPerThread;
  int sum = 0;
  for (int i = 0; i < kBucketsPerThread; ++i) sum += own[i];
  const int inclusive = warp_inclusive_sum(sum);
  if (lane_index() == kWarp - 1) warp_totals[warp_index()] = inclusive;
  int room = threshold->room;
  __syncthreads();  // all have read the room before one of them changes it
  room -= inclusive - sum;
  for (int warp = 0; warp < warp_index(); ++warp) room -= warp_totals[warp];
  if (0 < room && room <= sum) {
    int bucket = kBucketsPerThread - 1;
    for (; own[bucket] < room; --bucket) room -= own[bucket];
    const auto digit = static_cast<std::uint32_t>(own - buckets + bucket);
    threshold->key |= digit << shift;
    threshold->known |= static_cast<std::uint32_t>(kBuckets - 1) << shift;
    threshold->room = room;
  }
  for (int i = 0; i < kBucketsPerThread; ++i) own[i] = 0;
}

// What a row has at the threshold, and the best that it has below.
__global__ void __launch_bounds__(kRowThreads)
    look_at_rows(QuotaRows rows, const Threshold* threshold, std::int32_t* equal_R,
                 std::uint32_t* below_R) {
  const std::int64_t row = row_of_warp();
  if (row >= rows.num_rows) return;
  const std::uint32_t limit = threshold->key;
  std::int32_t equal = 0;
  std::uint32_t below = kNoCandidate;
  for (int column = lane_index(); column < rows.columns; column += kWarp) {
    const std::uint32_t key = rows.keys_RC[row * rows.columns + column];
    equal += key == limit ? 1 : 0;
    if (key < limit && key > below) below = key;
  }
  equal = warp_sum(equal);
  below = warp_max(below);
  if (lane_index() != 0) return;
  equal_R[row] = equal;
  below_R[row] = below;
}

// Of equal pairs the first are chosen: a row has the room that those before it leave.
__global__ void __launch_bounds__(kRowThreads)
    choose_rows(QuotaRows rows, const Threshold* threshold, const std::int32_t* equal_until_R) {
  const std::int64_t row = row_of_warp();
  if (row >= rows.num_rows) return;
  const std::uint32_t limit = threshold->key;
  int room = threshold->room - (row > 0 ? equal_until_R[row - 1] : 0);
  const unsigned lower_lanes = (1U << lane_index()) - 1;
  const int words = (rows.columns + kWarp - 1) / kWarp;
  for (int word = 0; word < words; ++word) {
    const int column = word * kWarp + lane_index();
    const std::uint32_t key =
        column < rows.columns ? rows.keys_RC[row * rows.columns + column] : kNoCandidate;
    const unsigned tied = __ballot_sync(kAllLanes, key == limit);
    const bool wins_tie = key == limit && __popc(tied & lower_lanes) < room;
    const unsigned chosen = __ballot_sync(kAllLanes, key > limit || wins_tie);
    room -= __popc(tied);
    if (lane_index() == 0) rows.chosen_RW[row * words + word] |= chosen;
  }
}

// One block.
__global__ void __launch_bounds__(kDigitThreads)
    add_cut(const Threshold* threshold, const std::int32_t* equal_until_R,
            const std::uint32_t* below_R, std::int64_t num_rows, double cut_of_rule,
            double* cut_sum) {
  auto* const warp_below = softmoe::cuda::shared_memory<std::uint32_t>();
  std::uint32_t below = kNoCandidate;
  for (std::int64_t row = threadIdx.x; row < num_rows; row += kDigitThreads) {
    below = below_R[row] > below ? below_R[row] : below;
  }
  below = warp_max(below);
  if (lane_index() == 0) warp_below[warp_index()] = below;
  __syncthreads();
  if (threadIdx.x != 0) return;
  for (int warp = 0; warp < kDigitWarps; ++warp) {
    below = warp_below[warp] > below ? warp_below[warp] : below;
  }
  const std::int32_t num_equal = equal_until_R[num_rows - 1];
  const std::uint32_t left_out = num_equal > threshold->room ? threshold->key : below;
  double cut = cut_of_rule;
  if (left_out != kNoCandidate) {
    cut = score_of(left_out);
  } else if (num_equal > 0) {
    cut = score_of(threshold->key);
  }
  cut = cut < -kMaxQuotaCut ? -kMaxQuotaCut : (cut > kMaxQuotaCut ? kMaxQuotaCut : cut);
  *cut_sum += static_cast<double>(num_rows) * cut;
}

void find_threshold(View<const std::uint32_t> keys, int wanted, Threshold* threshold,
                    View<int> buckets, Stream& stream) {
  launch(begin_search, {.blocks = 1, .threads = kDigitThreads}, stream, threshold, wanted,
         buckets.data());
  if (wanted == 0) return;
  for (const int shift : kDigitShifts) {
    launch(count_digits,
           {.blocks = blocks_for(keys.size(), kKeysPerBlock),
            .threads = kDigitThreads,
            .shared_bytes = kBucketBytes},
           stream, keys.data(), keys.size(), threshold, shift, buckets.data());
    launch(pick_digit,
           {.blocks = 1,
            .threads = kDigitThreads,
            .shared_bytes = kDigitWarps * static_cast<std::int64_t>(sizeof(int))},
           stream, threshold, shift, buckets.data());
  }
}

}  // namespace

void route_quota(const RouteQuotaArguments& arguments, Arena& scratch, Stream& stream) {
  const RouteChoice& choice = arguments.choice;
  require_f32("route_quota", choice.scores_RC.dtype());
  const std::int64_t num_rows = choice.scores_RC.dim(0);
  const auto columns = static_cast<int>(choice.scores_RC.dim(1));
  if (num_rows == 0) return;
  const ArenaScope scope(scratch);
  const View<std::uint32_t> keys = scratch.push<std::uint32_t>(num_rows * columns);
  const View<int> buckets = scratch.push<int>(kBuckets);
  const View<Threshold> threshold = scratch.push<Threshold>(1);
  const View<std::int32_t> equal_R = scratch.push<std::int32_t>(num_rows);
  const View<std::uint32_t> below_R = scratch.push<std::uint32_t>(num_rows);
  const QuotaRows rows{.scores_RC = choice.scores_RC.as<float>().data(),
                       .anchor_R2 = choice.anchor_R2.as<float>().data(),
                       .alpha = static_cast<float>(choice.alpha),
                       .at_least = choice.at_least,
                       .at_most = choice.at_most,
                       .chosen_RW = arguments.chosen_RW.data(),
                       .keys_RC = keys.data(),
                       .num_rows = num_rows,
                       .columns = columns};
  visit_columns_per_lane("route_quota", columns, [&]<int kPerLane>() {
    launch(prepare_rows<kPerLane>, warp_per_row(num_rows), stream, rows);
  });
  const int wanted = narrow<int>(arguments.num_chosen - num_rows * choice.at_least);
  find_threshold(keys, wanted, threshold.data(), buckets, stream);
  launch(look_at_rows, warp_per_row(num_rows), stream, rows, threshold.data(), equal_R.data(),
         below_R.data());
  inclusive_scan(equal_R, scratch, stream);
  launch(choose_rows, warp_per_row(num_rows), stream, rows, threshold.data(), equal_R.data());
  launch(add_cut,
         {.blocks = 1,
          .threads = kDigitThreads,
          .shared_bytes = kDigitWarps * static_cast<std::int64_t>(sizeof(std::uint32_t))},
         stream, threshold.data(), equal_R.data(), below_R.data(), num_rows, choice.cut,
         arguments.cut_sum.data());
}

}  // namespace softmoe::ops::cuda
