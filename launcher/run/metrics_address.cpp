#include "launcher/run/metrics_address.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "runtime/base/errors.h"

namespace softmoe::launcher {

namespace {

struct HostAndPort {
  std::string host;
  int port = 0;
};

HostAndPort parse(const std::string& address) {
  const std::size_t colon = address.rfind(':');
  HostAndPort parts{.host = address.substr(0, colon)};
  const std::string digits = address.substr(colon + 1);
  std::from_chars(digits.data(), digits.data() + digits.size(), parts.port);
  return parts;
}

bool is_wildcard(const std::string& host) {
  return host == "0.0.0.0" || host == "[::]" || host == "*";
}

}  // namespace

int local_rank(const std::vector<std::string>& hosts_W, Rank rank) {
  const auto me = hosts_W.begin() + rank.value;
  return static_cast<int>(std::count(hosts_W.begin(), me, *me));
}

std::string address_to_listen_at(const std::string& configured, int local_rank) {
  const HostAndPort first = parse(configured);
  if (first.port == 0) return configured;
  const int port = first.port + local_rank;
  if (port > 65535) {
    throw ConfigError(
        fmt::format("metrics.listen: rank {} of this host would listen at port {}, above 65535; "
                    "give a lower port, or 0 for any free one",
                    local_rank, port));
  }
  return fmt::format("{}:{}", first.host, port);
}

std::string address_to_tell(const std::string& bound, const std::string& host) {
  const HostAndPort parts = parse(bound);
  if (!is_wildcard(parts.host) || host.empty()) return bound;
  return fmt::format("{}:{}", host, parts.port);
}

}  // namespace softmoe::launcher
