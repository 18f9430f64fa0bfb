#include "runtime/ops/route_select.h"

#include "runtime/ops/cpu/route_rank.h"
#include "runtime/ops/cpu/worker_rooms.h"
#include "runtime/ops/route_hash_row.h"
#include "runtime/ops/route_types.h"

namespace softmoe::ops::cpu {

namespace {

LaneInts clamp_count(LaneInts count, std::int32_t low, std::int32_t high) {
  const LaneInts raised = count < low ? all_lanes(low) : count;
  return raised > high ? all_lanes(high) : raised;
}

// Every score above `rank_value` is chosen, and of those equal to it the first ones.
struct BlockChoice {
  Lanes rank_value;
  LaneInts room_at_value;
};

BlockChoice choose(const RouteChoice& choice, const RowBlock& block, const Lanes* scores_C) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  LaneInts above{};
  Lanes lowest_above = all_lanes(kInfinity);
  if (is_present(choice.anchor_R2)) {
    const float* anchors = choice.anchor_R2.as<float>().data();
    const Lanes anchor = load_per_row(anchors, 2, block);
    const Lanes delta = load_per_row(anchors + 1, 2, block);
    const float inverse_alpha = static_cast<float>(1 / choice.alpha);
    const auto cut = static_cast<float>(choice.cut);
    for (std::int64_t i = 0; i < block.columns; ++i) {
      const LaneInts is_above = (scores_C[i] - anchor) * inverse_alpha + delta > cut;
      above -= is_above;
      lowest_above = is_above ? lane_min(lowest_above, scores_C[i]) : lowest_above;
    }
  }
  const LaneInts wanted = clamp_count(above, choice.at_least, choice.at_most);
  const LaneInts held = wanted != above;
  if (!any_lane(held)) return {.rank_value = lowest_above, .room_at_value = wanted};

  const Lanes ranked = value_of_rank(scores_C, block.columns, held ? wanted : LaneInts{});
  const LaneInts exceed =
      count_scores(scores_C, block.columns, [ranked](Lanes score) { return score > ranked; });
  return {.rank_value = held ? ranked : lowest_above,
          .room_at_value = held ? wanted - exceed : wanted};
}

void select_block(const RouteChoice& choice, View<std::uint32_t> chosen_RW, const RowBlock& block,
                  Lanes* scores_C) {
  load_rows(choice.scores_RC.as<float>().data(), block, scores_C);
  auto [value, room] = choose(choice, block, scores_C);
  const std::int64_t words = num_choice_words(block.columns);
  for (std::int64_t word = 0; word < words; ++word) {
    LaneInts bits{};
    const std::int64_t end = std::min(block.columns, 32 * (word + 1));
    for (std::int64_t i = 32 * word; i < end; ++i) {
      const LaneInts takes_room = (scores_C[i] == value) & (room > 0);
      room += takes_room;
      const auto bit = static_cast<std::int32_t>(1U << (i % 32));
      bits |= ((scores_C[i] > value) | takes_room) & bit;
    }
    for (int lane = 0; lane < block.count; ++lane) {
      chosen_RW[(block.first + lane) * words + word] = static_cast<std::uint32_t>(bits[lane]);
    }
  }
}

}  // namespace

void route_select(const RouteChoice& choice, View<std::uint32_t> chosen_RW, Arena& scratch,
                  Stream& stream) {
  if (choice.scores_RC.dtype() != DType::f32) {
    reference::route_select(choice, chosen_RW, scratch, stream);
    return;
  }
  const ArenaScope scope(scratch);
  const std::int64_t rows = choice.scores_RC.dim(0);
  const std::int64_t columns = choice.scores_RC.dim(1);
  Workers& workers = stream.workers();
  const WorkerRooms<Lanes> rooms(scratch, workers.size(), columns);
  stream.run([choice, chosen_RW, rows, columns, rooms, &workers] {
    for_each_row_block(workers, rows, columns, [&](const RowBlock& block, int worker) {
      select_block(choice, chosen_RW, block, rooms.of(worker));
    });
  });
}

void route_hash(const RouteHashArguments& arguments, Stream& stream) {
  Workers& workers = stream.workers();
  stream.run([arguments, &workers] {
    const std::int64_t rows = arguments.id_R.size();
    for_each_row_block(workers, rows, arguments.columns, [&](const RowBlock& block, int) {
      for (int row = 0; row < block.count; ++row) choose_by_hash(arguments, block.first + row);
    });
  });
}

}  // namespace softmoe::ops::cpu
