#include "launcher/run/run_memory.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "launcher/plan/fitting.h"
#include "launcher/plan/process_memory.h"
#include "parallel/reduce.h"

namespace softmoe::launcher {

namespace {

using nlohmann::json;

constexpr std::size_t kNumbers = 4;
constexpr std::size_t kMostLines = 8;

std::string beside(std::string_view name, std::int64_t taken, std::int64_t planned) {
  return fmt::format("{} {} (plan {})", name, bytes_text(static_cast<double>(taken)),
                     bytes_text(static_cast<double>(planned)));
}

std::string line_of(const MemoryEstimate& plan, const RankMemory& memory, std::size_t rank) {
  const RankMemory planned = planned_memory(plan, memory.program, Rank(static_cast<int>(rank)));
  return fmt::format("memory of rank {}: {}, {}, {}\n", rank,
                     beside("own pages", memory.own, planned.own),
                     beside("saved arena", memory.saved, planned.saved),
                     beside("scratch arena", memory.scratch, planned.scratch));
}

json arenas_json(const RankMemory& memory) {
  return {{"saved_arena", memory.saved}, {"scratch_arena", memory.scratch}};
}

}  // namespace

std::int64_t program_bytes() {
  return resident_bytes() - shared_bytes() - file_page_bytes();
}

std::vector<RankMemory> memory_of_ranks(std::int64_t program, parallel::Communicator& world,
                                        Workspace& work) {
  const auto num_ranks = static_cast<std::size_t>(world.size());
  std::vector<std::int64_t> numbers(kNumbers * num_ranks);
  const auto first = kNumbers * static_cast<std::size_t>(world.rank().value);
  // The system keeps a peak of the sum alone; pages of files and shared ones do not become fewer.
  numbers[first] = resident_peak_bytes() - shared_bytes() - file_page_bytes();
  numbers[first + 1] = program;
  numbers[first + 2] = work.saved.peak().value;
  numbers[first + 3] = work.scratch.peak().value;
  parallel::all_reduce_sum_on_host(std::span(numbers), world, work.exchange);
  std::vector<RankMemory> memory_W;
  for (std::size_t i = 0; i < numbers.size(); i += kNumbers) {
    memory_W.push_back({.own = numbers[i],
                        .program = numbers[i + 1],
                        .saved = numbers[i + 2],
                        .scratch = numbers[i + 3]});
  }
  return memory_W;
}

RankMemory planned_memory(const MemoryEstimate& plan, std::int64_t program, Rank rank) {
  const std::int64_t results = rank == Rank(0) ? 0 : plan.results;
  return {.own = plan.total() - results + program,
          .program = program,
          .saved = plan.saved_arena,
          .scratch = plan.scratch_arena};
}

std::string memory_text(const MemoryEstimate& plan, std::span<const RankMemory> memory_W) {
  std::string text;
  if (memory_W.size() <= kMostLines) {
    for (std::size_t rank = 0; rank < memory_W.size(); ++rank)
      text += line_of(plan, memory_W[rank], rank);
  } else {
    const auto fullest =
        std::max_element(memory_W.begin(), memory_W.end(),
                         [](const RankMemory& a, const RankMemory& b) { return a.own < b.own; });
    const auto rank = static_cast<std::size_t>(fullest - memory_W.begin());
    text = line_of(plan, *fullest, rank);
    text.insert(0, fmt::format("the fullest of {} ranks: ", memory_W.size()));
  }
  text.pop_back();
  return text;
}

std::string memory_json(const MemoryEstimate& plan, std::span<const RankMemory> memory_W) {
  const RankMemory& mine = memory_W.front();
  const RankMemory planned = planned_memory(plan, mine.program, Rank(0));
  json memory = arenas_json(mine);
  memory["own"] = mine.own;
  memory["resident_peak"] = resident_peak_bytes();
  memory["shared"] = shared_bytes();
  memory["plan"] = arenas_json(planned);
  memory["plan"]["own"] = planned.own;
  memory["ranks"] = json::array();
  for (const RankMemory& rank : memory_W) {
    memory["ranks"].push_back(arenas_json(rank));
    memory["ranks"].back()["own"] = rank.own;
  }
  return json({{"memory", memory}}).dump();
}

}  // namespace softmoe::launcher
