#include "experts/expert_chunks.h"

#include <algorithm>

#include "runtime/base/errors.h"

namespace softmoe::experts {

ExpertChunks::ExpertChunks(int experts_here, int wanted, int runs) : runs_(runs) {
  require(experts_here > 0 && wanted > 0 && runs > 0,
          "experts, their chunks and their runs are counted from 1");
  const int count = std::min(experts_here, wanted);
  row_begin_of_each_.resize(static_cast<std::size_t>(experts_here * runs + count));
  std::int64_t* next = row_begin_of_each_.data();
  for (int chunk = 0; chunk < count; ++chunk) {
    const parallel::CellRange experts{.begin = chunk * experts_here / count,
                                      .end = (chunk + 1) * experts_here / count};
    const auto entries = static_cast<std::size_t>((experts.end - experts.begin) * runs + 1);
    chunks_.push_back({.experts = experts, .row_begin_of_each = {next, entries}});
    next += entries;
  }
}

void ExpertChunks::plan(std::span<const std::int64_t> row_begin) {
  std::int64_t* next = row_begin_of_each_.data();
  for (ExpertChunk& chunk : chunks_) {
    const auto begins = row_begin.subspan(static_cast<std::size_t>(chunk.experts.begin * runs_),
                                          chunk.row_begin_of_each.size());
    chunk.row_begin = begins.front();
    chunk.row_end = begins.back();
    next = std::transform(begins.begin(), begins.end(), next,
                          [&](std::int64_t begin) { return begin - chunk.row_begin; });
  }
}

}  // namespace softmoe::experts
