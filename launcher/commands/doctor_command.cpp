#include "launcher/commands/doctor_command.h"

#include <fmt/format.h>

#include <ctime>
#include <filesystem>
#include <iterator>

#include "launcher/doctor/gather.h"
#include "launcher/doctor/storage_checks.h"

namespace softmoe::launcher {

namespace {

/// When the program file was written: no clock of a later use can be behind it.
std::chrono::system_clock::time_point time_of_program() {
  std::error_code error;
  const auto written = std::filesystem::last_write_time("/proc/self/exe", error);
  if (error) return {};
  return std::chrono::file_clock::to_sys(written);
}

void append(Findings& findings, Findings more) {
  findings.insert(findings.end(), std::make_move_iterator(more.begin()),
                  std::make_move_iterator(more.end()));
}

Findings examine(const DoctorOptions& options) {
  const EnvironmentFacts environment = gather_environment();
  const CoreFacts cores = gather_cores();
  Findings findings = {check_mpi_library(gather_mpi()),
                       check_launchers(gather_launchers()),
                       check_launch(environment, options.expect_world),
                       check_fence(environment),
                       check_idle_ranks(environment, cores.machine),
                       check_gpus(gather_gpus(environment)),
                       check_nccl_variables(environment),
                       check_cores(cores),
                       check_thread_variables(environment),
                       check_blas(gather_blas()),
                       check_memory(gather_memory()),
                       check_shared_memory(gather_shared_memory())};
  append(findings, check_limits(gather_limits()));
  append(findings, check_storage(probe_storage(options.folder)));
  append(findings, check_network(gather_network()));
  findings.push_back(check_clock(gather_clock(), time_of_program()));
  findings.push_back(check_network_libraries(coordinator::library_versions()));
  return findings;
}

}  // namespace

ExitCode doctor(const DoctorOptions& options) {
  const Findings findings = examine(options);
  fmt::print("{}", options.json ? findings_json(findings) + "\n" : findings_text(findings));
  return has_failure(findings) ? ExitCode::configuration : ExitCode::done;
}

}  // namespace softmoe::launcher
