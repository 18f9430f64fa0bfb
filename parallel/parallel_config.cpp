#include "parallel/parallel_config.h"

#include "runtime/config/check.h"
#include "runtime/config/reader.h"

namespace softmoe::parallel {

void ParallelConfig::bind(config::Reader& reader) {
  using config::Range;
  reader.value("expert_parallel", expert_parallel, Range{.min = 0, .max = 1 << 20},
               "ranks that share one copy of the experts; 0: all");
  reader.value("exchange_chunks", exchange_chunks, Range{.min = 1, .max = 64},
               "chunks of experts (at most one per expert of a rank) whose rows travel while those "
               "of another are worked on; 1: no overlap");
  reader.value("max_received_rows", max_received_rows, Range{.min = 0},
               "rows of one layer and lane that a rank may hold at once; where it would receive "
               "more, they come in waves; 0: no bound");
  reader.value("timeout_seconds", timeout_seconds, Range{.min = 1, .max = 86400},
               "an operation may wait so long for its peers");
}

void ParallelConfig::validate(config::Check&) const {}

}  // namespace softmoe::parallel
