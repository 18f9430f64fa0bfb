#include "launcher/plan/process_memory.h"

#include <fstream>
#include <nlohmann/json.hpp>

namespace softmoe::launcher {

namespace {

/// A line of /proc/self/status, which counts in kibibytes.
std::int64_t status_bytes(const std::string& name) {
  std::ifstream status("/proc/self/status");
  std::string word;
  while (status >> word) {
    std::int64_t kibibytes = 0;
    if (word == name + ":" && status >> kibibytes) return kibibytes * 1024;
  }
  return 0;
}

}  // namespace

std::int64_t resident_bytes() {
  return status_bytes("VmRSS");
}

std::int64_t resident_peak_bytes() {
  return status_bytes("VmHWM");
}

std::string memory_json(const Workspace& work) {
  return nlohmann::json({{"memory",
                          {{"saved_arena", work.saved.peak().value},
                           {"scratch_arena", work.scratch.peak().value},
                           {"resident_peak", resident_peak_bytes()},
                           {"shared", status_bytes("RssShmem")}}}})
      .dump();
}

}  // namespace softmoe::launcher
