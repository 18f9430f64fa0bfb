#include "launcher/doctor/launch_checks.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <regex>
#include <string_view>

namespace softmoe::launcher {

namespace {

std::optional<std::string> value_of(const EnvironmentFacts& environment, const std::string& name) {
  const auto found = environment.find(name);
  if (found == environment.end() || found->second.empty()) return std::nullopt;
  return found->second;
}

std::optional<int> number_of(const EnvironmentFacts& environment, const std::string& name) {
  const auto text = value_of(environment, name);
  if (!text) return std::nullopt;
  int number = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), number);
  if (error != std::errc() || end != text->data() + text->size()) return std::nullopt;
  return number;
}

bool has_pmix(const EnvironmentFacts& environment) {
  return value_of(environment, "PMIX_RANK") || value_of(environment, "PMIX_NAMESPACE");
}

/// A step of srun, not merely a shell inside an allocation.
bool is_slurm_task(const EnvironmentFacts& environment) {
  return value_of(environment, "SLURM_PROCID") && value_of(environment, "SLURM_STEP_ID");
}

Finding check_world(int world, const std::string& source, std::optional<int> expect_world) {
  const std::string found = fmt::format("one of {} ranks ({})", world, source);
  if (!expect_world || *expect_world == world) return {Verdict::ok, "launch", found, ""};
  return {Verdict::fail, "launch", fmt::format("{}, and {} are expected", found, *expect_world),
          fmt::format("start {} ranks, or give --expect-world {}", *expect_world, world)};
}

}  // namespace

std::optional<std::string> version_in(const std::string& library) {
  static const std::regex kVersion(R"(\d+\.\d+(\.\d+)?)");
  std::smatch match;
  if (!std::regex_search(library, match, kVersion)) return std::nullopt;
  return match.str();
}

Finding check_mpi_library(const MpiFacts& facts) {
  const std::string name = facts.running.substr(0, facts.running.find_first_of(",\n"));
  const auto built = version_in(facts.built_with);
  const auto running = version_in(facts.running);
  if (facts.running.empty()) {
    return {Verdict::fail, "MPI library", "does not say what it is",
            "install the MPI that softmoe was built with"};
  }
  if (!built || !running) {
    return {Verdict::warn, "MPI library", fmt::format("{}; that of the build is not known", name),
            "build softmoe on this machine, so that both are the same"};
  }
  const std::string maker = facts.built_with.substr(0, facts.built_with.find(*built));
  if (!facts.running.starts_with(maker)) {
    return {Verdict::fail, "MPI library",
            fmt::format("{}, but softmoe was built with {}{}", name, maker, *built),
            "another make of MPI has another ABI: load the module of the build, or build again"};
  }
  if (*built != *running) {
    return {Verdict::warn, "MPI library",
            fmt::format("{}, but softmoe was built with {}", name, *built),
            "load the module of the build, or build again"};
  }
  return {Verdict::ok, "MPI library", fmt::format("{}, that of the build", name), ""};
}

Finding check_launchers(const LauncherFacts& facts) {
  if (facts.mpirun.empty() && facts.srun.empty()) {
    return {Verdict::warn, "launchers", "neither mpirun nor srun is in PATH: one rank only",
            "install Open MPI's programs (Debian: openmpi-bin), or load the cluster's module"};
  }
  std::vector<std::string> found;
  if (!facts.mpirun.empty()) found.push_back(facts.mpirun);
  if (facts.srun.empty()) {
    return {Verdict::ok, "launchers", fmt::format("{}", fmt::join(found, ", ")), ""};
  }
  const bool has_cluster = facts.srun_mpi.find("plugin types") != std::string::npos;
  const bool has_pmix_plugin = facts.srun_mpi.find("pmix") != std::string::npos;
  found.push_back(fmt::format("{} ({})", facts.srun,
                              !has_cluster      ? "no Slurm cluster is configured here"
                              : has_pmix_plugin ? "with pmix"
                                                : "without pmix"));
  const std::string text = fmt::format("{}", fmt::join(found, ", "));
  const bool is_fine = has_cluster ? has_pmix_plugin : !facts.mpirun.empty();
  if (is_fine) return {Verdict::ok, "launchers", text, ""};
  return {facts.mpirun.empty() ? Verdict::fail : Verdict::warn, "launchers", text,
          "start ranks with mpirun (under Slurm inside sbatch), or have Slurm's PMIx plugin "
          "installed: srun --mpi=list has to name pmix"};
}

Finding check_launch(const EnvironmentFacts& environment, std::optional<int> expect_world) {
  if (const auto world = number_of(environment, "OMPI_COMM_WORLD_SIZE")) {
    return check_world(*world, "mpirun", expect_world);
  }
  const auto tasks = number_of(environment, "SLURM_NTASKS");
  if (is_slurm_task(environment) && tasks) {
    if (*tasks > 1 && !has_pmix(environment)) {
      return {Verdict::fail, "launch",
              fmt::format("one of {} tasks of srun, without PMIx: each would be alone", *tasks),
              "srun --mpi=pmix, or mpirun inside sbatch"};
    }
    return check_world(*tasks, "srun", expect_world);
  }
  if (value_of(environment, "SLURM_JOB_ID")) {
    return {Verdict::ok, "launch",
            fmt::format("inside Slurm job {}, outside its steps{}",
                        *value_of(environment, "SLURM_JOB_ID"),
                        tasks ? fmt::format(", {} tasks", *tasks) : std::string()),
            ""};
  }
  if (expect_world && *expect_world > 1) {
    return {
        Verdict::fail, "launch", fmt::format("alone, and {} ranks are expected", *expect_world),
        fmt::format("mpirun -n {} softmoe doctor --expect-world {}", *expect_world, *expect_world)};
  }
  return {Verdict::ok, "launch", "alone: neither mpirun nor srun started this process", ""};
}

Finding check_fence(const EnvironmentFacts& environment) {
  if (!value_of(environment, "SLURM_JOB_ID")) {
    return {Verdict::ok, "PMIx fence", "not inside Slurm", ""};
  }
  const std::string fence = value_of(environment, "SLURM_PMIX_FENCE").value_or("not set");
  if (fence == "ring") return {Verdict::ok, "PMIx fence", "SLURM_PMIX_FENCE=ring", ""};
  return {
      Verdict::warn, "PMIx fence",
      fmt::format("SLURM_PMIX_FENCE is {}: ranks on several nodes may crash in MPI_Init", fence),
      "export SLURM_PMIX_FENCE=ring before srun --mpi=pmix (or PMIxCollFence=ring in mpi.conf)"};
}

Finding check_idle_ranks(const EnvironmentFacts& environment, int cores) {
  const auto here = number_of(environment, "OMPI_COMM_WORLD_LOCAL_SIZE");
  const bool yields =
      value_of(environment, "OMPI_MCA_mpi_yield_when_idle").value_or("") == "1" ||
      value_of(environment, "OMPI_MCA_rmaps_base_oversubscribe").value_or("") == "1";
  if (!here) return {Verdict::ok, "idle ranks", "mpirun did not start this process", ""};
  if (*here <= cores) {
    return {Verdict::ok, "idle ranks", fmt::format("{} ranks here on {} cores", *here, cores), ""};
  }
  const std::string found = fmt::format("{} ranks here on {} cores, {}", *here, cores,
                                        yields ? "which yield" : "which may poll");
  if (yields) return {Verdict::ok, "idle ranks", found, ""};
  return {Verdict::warn, "idle ranks", found,
          "mpirun --oversubscribe --mca mpi_yield_when_idle 1, or fewer ranks"};
}

Finding check_gpus(const GpuFacts& facts) {
  const std::string visible =
      facts.visible.empty() ? "" : fmt::format(", CUDA_VISIBLE_DEVICES={}", facts.visible);
  const std::string driver =
      facts.driver.empty() ? "no driver" : fmt::format("driver {}", facts.driver);
  if (facts.devices > 0) {
    return {Verdict::ok, "GPU",
            fmt::format("{} visible{}, {}, {}", facts.devices, visible, driver, facts.nccl), ""};
  }
  const std::string found =
      fmt::format("none: {}{}; {}, {}", facts.reason, visible, driver, facts.nccl);
  if (facts.driver.empty()) return {Verdict::ok, "GPU", found, ""};
  // There is a card, and this program does not see it.
  return {Verdict::warn, "GPU", found,
          "build with the CMake preset cuda, look at CUDA_VISIBLE_DEVICES, or update the driver; "
          "without that a run computes on the processor"};
}

Finding check_nccl_variables(const EnvironmentFacts& environment) {
  constexpr std::array<std::string_view, 5> kForDebugging = {
      "NCCL_DEBUG", "NCCL_DEBUG_SUBSYS", "NCCL_DEBUG_FILE", "NCCL_P2P_DISABLE", "NCCL_SHM_DISABLE"};
  std::vector<std::string> seen;
  std::vector<std::string> flagged;
  for (const auto& [name, value] : environment) {
    if (!name.starts_with("NCCL_")) continue;
    seen.push_back(name + "=" + value);
    const bool is_for_debugging =
        std::find(kForDebugging.begin(), kForDebugging.end(), name) != kForDebugging.end();
    if (is_for_debugging && value != "WARN" && value != "VERSION" && value != "0")
      flagged.push_back(name);
  }
  if (seen.empty()) return {Verdict::ok, "NCCL variables", "none is set", ""};
  const std::string found = fmt::format("{}", fmt::join(seen, " "));
  if (flagged.empty()) return {Verdict::ok, "NCCL variables", found, ""};
  return {Verdict::warn, "NCCL variables", found,
          fmt::format("unset {}: for looking for errors, they cost speed or fill logs",
                      fmt::join(flagged, " "))};
}

}  // namespace softmoe::launcher
