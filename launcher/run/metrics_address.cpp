#include "launcher/run/metrics_address.h"

#include <fmt/format.h>

#include <algorithm>

#include "runtime/base/errors.h"
#include "runtime/base/host_port.h"

namespace softmoe::launcher {

int local_rank(const std::vector<std::string>& hosts_W, Rank rank) {
  const auto me = hosts_W.begin() + rank.value;
  return static_cast<int>(std::count(hosts_W.begin(), me, *me));
}

std::string address_to_listen_at(const std::string& configured, int local_rank) {
  auto place = parse_host_port(configured);
  if (!place || place->port == 0) return configured;
  place->port += local_rank;
  if (place->port > 65535) {
    throw ConfigError(
        fmt::format("metrics.listen: rank {} of this host would listen at port {}, above 65535; "
                    "give a lower port, or 0 for any free one",
                    local_rank, place->port));
  }
  return place->text();
}

std::string address_to_tell(const std::string& bound, const std::string& host) {
  auto place = parse_host_port(bound);
  if (!place || !place->is_every_address() || host.empty()) return bound;
  place->host = host;
  return place->text();
}

}  // namespace softmoe::launcher
