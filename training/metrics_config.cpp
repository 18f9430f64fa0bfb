#include "training/metrics_config.h"

#include <fmt/core.h>

#include "runtime/base/host_port.h"
#include "runtime/config/check.h"
#include "runtime/config/reader.h"

namespace softmoe::training {

const char* name_of(ExpertDetail detail) {
  switch (detail) {
    case ExpertDetail::off:
      return "off";
    case ExpertDetail::summary:
      return "summary";
    case ExpertDetail::buckets:
      return "buckets";
    case ExpertDetail::topk:
      return "topk";
    case ExpertDetail::full:
      return "full";
  }
  return "?";
}

void MetricsConfig::bind(config::Reader& reader) {
  using config::Range;
  reader.value("listen", listen,
               "host:port of the first rank of a host, one more for each next; port 0 is any free "
               "one; empty: no server");
  reader.choice("expert_detail", expert_detail,
                {{"off", ExpertDetail::off},
                 {"summary", ExpertDetail::summary},
                 {"buckets", ExpertDetail::buckets},
                 {"topk", ExpertDetail::topk},
                 {"full", ExpertDetail::full}},
                "what is told of the experts' loads; each level holds the ones before it");
  reader.value("top_experts", top_experts, Range{.min = 1, .max = 64},
               "fullest and emptiest experts listed per layer, from level topk on");
  reader.value("max_series", max_series, Range{.min = 100, .max = 10000000},
               "most series of rank 0's page; the level of detail falls to keep it");
  reader.value("every", every, Range{.min = 1, .max = 1000000},
               "steps between publications of the experts' loads");
  reader.value("targets_folder", targets_folder,
               "where a file for Prometheus' file_sd is while the run lasts; empty: nowhere");
}

void MetricsConfig::validate(config::Check& check) const {
  if (!listen.empty() && !parse_host_port(listen)) {
    check.refuse("listen",
                 fmt::format("'{}' is not host:port; write 127.0.0.1:0 for any free port, or \"\" "
                             "for no server",
                             listen));
  }
}

}  // namespace softmoe::training
