#include "coordinator/targets.h"

#include "runtime/base/host_port.h"

namespace softmoe::coordinator {

std::vector<metrics::Target> targets_of(const Status& status, const std::string& own_address) {
  const std::string& run = status.run.run_id;
  std::vector<metrics::Target> targets;
  if (!own_address.empty()) {
    targets.push_back({.address = own_address,
                       .run = run,
                       .role = "coordinator",
                       .host = parse_host_port(own_address).value_or(HostPort()).host});
  }
  for (const MemberStatus& member : status.members) {
    const bool is_there = member.state == MemberState::alive || member.state == MemberState::silent;
    if (!is_there || member.metrics_address.empty()) continue;
    targets.push_back({.address = member.metrics_address,
                       .run = run,
                       .role = "rank",
                       .rank = member.rank.value,
                       .host = member.host});
  }
  return targets;
}

}  // namespace softmoe::coordinator
