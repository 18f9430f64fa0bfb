#include "runtime/metrics/process_metrics.h"

#include <optional>

#include "runtime/metrics/process_numbers.h"

namespace softmoe::metrics {
namespace {

struct Series {
  Gauge resident;
  Gauge virtual_memory;
  Counter cpu;
  Gauge open_fds;
  Gauge max_fds;
  Gauge start_time;
  Gauge threads;
};

void set(Gauge gauge, const std::optional<double>& value) {
  if (value) gauge.set(*value);
}

void refresh(Series series) {
  const ProcessNumbers now = look_up_process();
  set(series.resident, now.resident_bytes);
  set(series.virtual_memory, now.virtual_bytes);
  set(series.open_fds, now.open_fds);
  set(series.max_fds, now.max_fds);
  set(series.start_time, now.start_time_seconds);
  set(series.threads, now.threads);
  // What is missing is added, so that the counter is the time however often it is looked up.
  if (now.cpu_seconds) series.cpu.add(*now.cpu_seconds - series.cpu.value());
}

}  // namespace

void add_process_metrics(Registry& registry) {
  const Series series = {
      .resident =
          registry.gauge({.name = "process_resident_memory_bytes", .help = "Resident memory"}),
      .virtual_memory = registry.gauge({.name = "process_virtual_memory_bytes",
                                        .help = "Address space, arenas' reservations included"}),
      .cpu = registry.counter({.name = "process_cpu_seconds_total",
                               .kind = Kind::counter,
                               .help = "Processor time, user and system"}),
      .open_fds = registry.gauge({.name = "process_open_fds", .help = "Open file descriptors"}),
      .max_fds = registry.gauge({.name = "process_max_fds", .help = "Limit of them"}),
      .start_time =
          registry.gauge({.name = "process_start_time_seconds", .help = "Unix time of the start"}),
      .threads = registry.gauge({.name = "process_threads", .help = "Threads"}),
  };
  registry.on_page([series] { refresh(series); });
}

}  // namespace softmoe::metrics
