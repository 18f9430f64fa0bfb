#include "launcher/plan/process_memory.h"

#include <fstream>
#include <string>

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

std::int64_t file_page_bytes() {
  return status_bytes("RssFile");
}

std::int64_t shared_bytes() {
  return status_bytes("RssShmem");
}

}  // namespace softmoe::launcher
