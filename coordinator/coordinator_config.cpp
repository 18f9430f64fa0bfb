#include "coordinator/coordinator_config.h"

#include <fmt/core.h>

#include <string_view>

#include "runtime/base/host_port.h"
#include "runtime/config/check.h"
#include "runtime/config/reader.h"

namespace softmoe::coordinator {
namespace {

// A rank calls once per heartbeat, rank 0 with its records twice, and each may have to try again.
constexpr double kCallsPerHeartbeat = 4.0;

void check_addresses(const CoordinatorConfig& config, config::Check& check) {
  if (!parse_host_port(config.listen)) {
    check.refuse("listen", fmt::format("'{}' is not host:port; write 127.0.0.1:0 for any free port",
                                       config.listen));
  }
  const auto address = parse_host_port(config.address);
  if (!config.address.empty() && (!address || address->port == 0)) {
    check.refuse("address", fmt::format("'{}' is not host:port; leave it out to take the one "
                                        "published in the folder",
                                        config.address));
  }
  if (!config.metrics_listen.empty() && !parse_host_port(config.metrics_listen)) {
    check.refuse("metrics_listen",
                 fmt::format("'{}' is not host:port; write 127.0.0.1:0 for any free port, or "
                             "nothing to serve no metrics",
                             config.metrics_listen));
  }
  const bool is_found = !config.folder.empty() || !config.address.empty();
  if (config.placement == Placement::standalone && !is_found) {
    check.refuse("folder",
                 "a standalone coordinator publishes its address in a folder that all ranks see; "
                 "name one, or give its address");
  }
}

void check_times(const CoordinatorConfig& config, config::Check& check) {
  if (config.silence_seconds < 2.0 * config.heartbeat_seconds) {
    check.refuse("silence_seconds",
                 fmt::format("{} s is less than two heartbeats of {} s: one that is late would be "
                             "taken for a dead rank; give at least {}",
                             config.silence_seconds, config.heartbeat_seconds,
                             2.0 * config.heartbeat_seconds));
  }
  if (config.stall_seconds < config.silence_seconds) {
    check.refuse("stall_seconds",
                 fmt::format("{} s is less than silence_seconds = {}: a dead rank would first be "
                             "taken for a stuck one; give at least {}",
                             config.stall_seconds, config.silence_seconds, config.silence_seconds));
  }
  const double least_calls = kCallsPerHeartbeat / config.heartbeat_seconds;
  if (config.max_calls_per_second < least_calls) {
    check.refuse("max_calls_per_second",
                 fmt::format("{} would refuse ranks that send a heartbeat every {} s; give at "
                             "least {}",
                             config.max_calls_per_second, config.heartbeat_seconds, least_calls));
  }
}

}  // namespace

void TlsConfig::bind(config::Reader& reader) {
  reader.value("ca_file", ca_file,
               "certificate authority of the run; with it, everybody needs one");
  reader.value("certificate_file", certificate_file, "certificate of this process");
  reader.value("key_file", key_file, "its private key, readable by its owner alone");
}

void TlsConfig::validate(config::Check& check) const {
  const bool any = !ca_file.empty() || !certificate_file.empty() || !key_file.empty();
  const auto require = [&](std::string_view key, const std::string& file) {
    if (any && file.empty()) {
      check.refuse(key, "missing; give all of ca_file, certificate_file and key_file, or none");
    }
  };
  require("ca_file", ca_file);
  require("certificate_file", certificate_file);
  require("key_file", key_file);
}

void CoordinatorConfig::bind(config::Reader& reader) {
  using config::Range;
  reader.choice("placement", placement,
                {{"embedded", Placement::embedded},
                 {"standalone", Placement::standalone},
                 {"off", Placement::off}},
                "who watches the run: rank 0 itself, a process of its own, or nobody");
  reader.value("folder", folder, "where a standalone one keeps journal, tokens and address");
  reader.value("listen", listen, "host:port of the coordinator; port 0 is any free one");
  reader.value("address", address, "where ranks reach a standalone one; empty: as published");
  reader.value("token_file", token_file, "lines 'role token', mode 0600; empty: in the folder");
  reader.value("insecure", insecure, "whether to go without secrets where others can connect");
  reader.section("tls", tls);
  reader.value("metrics_listen", metrics_listen,
               "host:port where a standalone one serves its metrics; empty: nowhere");
  reader.value("targets_folder", targets_folder,
               "folder of Prometheus' file_sd where a standalone one lists targets; empty: none");
  reader.value("heartbeat_seconds", heartbeat_seconds, Range{.min = 0.01, .max = 3600},
               "time between two signs of life of a rank");
  reader.value("silence_seconds", silence_seconds, Range{.above = 0, .max = 86400},
               "a rank without a heartbeat for so long is silent");
  reader.value("stall_seconds", stall_seconds, Range{.above = 0, .max = 604800},
               "ranks that have not moved for so long, and for ten steps, are stuck");
  reader.choice("on_alarm", on_alarm, {{"alarm", OnAlarm::alarm}, {"drain", OnAlarm::drain}},
                "when a word is wrong or the budget not held: say so, or also save and leave");
  reader.value("window_steps", window_steps, Range{.min = 1, .max = 1000000},
               "steps over which the budget must be held");
  reader.value("max_window_error_ratio", max_window_error_ratio, Range{.above = 0, .below = 1},
               "mean of |executed - budget| / budget over the window that is still held");
  reader.value("digest_every", digest_every, Range{.min = 1, .max = 1000000},
               "records between two digests in the journal");
  reader.value("max_calls_per_second", max_calls_per_second, Range{.above = 0},
               "calls that one rank or one person may make");
  reader.value("max_message_bytes", max_message_bytes,
               Range{.min = 1 << 14, .max = std::int64_t{1} << 30}, "largest message accepted");
  reader.value("memory_bytes", memory_bytes, Range{.min = 1 << 20},
               "for calls in flight and connections; at least 16 KiB for each rank");
}

void CoordinatorConfig::validate(config::Check& check) const {
  check_addresses(*this, check);
  check_times(*this, check);
  if (memory_bytes / 4 < max_message_bytes) {
    check.refuse("memory_bytes",
                 fmt::format("{} holds fewer than four messages of max_message_bytes = {}; give at "
                             "least {}",
                             memory_bytes, max_message_bytes, 4 * max_message_bytes));
  }
}

}  // namespace softmoe::coordinator
