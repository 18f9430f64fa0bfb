#include <unistd.h>

#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>

#include "launcher/doctor/gather.h"
#include "parallel/mpi/mpi_version.h"
#include "parallel/nccl_world.h"
#include "runtime/device/cuda_device.h"
#include "runtime/ops/cpu/blas.h"
#include "runtime/ops/cpu/onednn.h"

namespace softmoe::launcher {

namespace {

/// The first executable file of that name in PATH, or nothing.
std::string find_program(const EnvironmentFacts& environment, const std::string& name) {
  const auto path = environment.find("PATH");
  if (path == environment.end()) return "";
  std::istringstream folders(path->second);
  for (std::string folder; std::getline(folders, folder, ':');) {
    const std::filesystem::path candidate = std::filesystem::path(folder) / name;
    std::error_code error;
    const bool is_file = std::filesystem::is_regular_file(candidate, error);
    if (is_file && ::access(candidate.c_str(), X_OK) == 0) return candidate.string();
  }
  return "";
}

/// What a program writes, errors included. @param command  words of ours alone
std::string output_of(const char* command) {
  const std::unique_ptr<FILE, int (*)(FILE*)> pipe(::popen(command, "r"), &::pclose);
  if (pipe == nullptr) return "";
  std::string text;
  std::array<char, 512> piece{};
  while (std::fgets(piece.data(), static_cast<int>(piece.size()), pipe.get()) != nullptr)
    text += piece.data();
  return text;
}

/// "580.65.06" in the first line that the driver's module writes about itself.
std::string driver_version() {
  std::ifstream file("/proc/driver/nvidia/version");
  std::string line;
  std::getline(file, line);
  return version_in(line).value_or("");
}

}  // namespace

EnvironmentFacts gather_environment() {
  EnvironmentFacts facts;
  for (char** entry = ::environ; *entry != nullptr; ++entry) {
    const std::string text(*entry);
    const std::size_t equals = text.find('=');
    if (equals != std::string::npos) facts[text.substr(0, equals)] = text.substr(equals + 1);
  }
  return facts;
}

MpiFacts gather_mpi() {
  return {.built_with = parallel::built_mpi_version(), .running = parallel::loaded_mpi_version()};
}

LauncherFacts gather_launchers() {
  const EnvironmentFacts environment = gather_environment();
  LauncherFacts facts{.mpirun = find_program(environment, "mpirun"),
                      .srun = find_program(environment, "srun")};
  // A controller that does not answer must not hold the doctor up.
  if (!facts.srun.empty()) facts.srun_mpi = output_of("timeout 5 srun --mpi=list 2>&1");
  return facts;
}

GpuFacts gather_gpus(const EnvironmentFacts& environment) {
  const CudaAvailability found = cuda_availability();
  const auto visible = environment.find("CUDA_VISIBLE_DEVICES");
  return {.devices = found.num_devices,
          .reason = found.reason,
          .driver = driver_version(),
          .nccl = parallel::nccl_version(),
          .visible = visible == environment.end() ? "" : visible->second};
}

BlasFacts gather_blas() {
  std::ifstream file("/proc/cpuinfo");
  std::string flags;
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with("flags")) continue;
    flags = line + " ";
    break;
  }
  const bool is_onednn = ops::cpu::gemm_library() == ops::cpu::GemmLibrary::onednn;
  return {.kernels = ops::cpu::blas_kernels(),
          .onednn = is_onednn ? ops::cpu::onednn_version() : "",
          .has_avx2 = flags.find(" avx2 ") != std::string::npos,
          .has_avx512 = flags.find(" avx512f ") != std::string::npos};
}

}  // namespace softmoe::launcher
