#pragma once

#include <sys/types.h>

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "coordinator/endpoint.h"
#include "coordinator/messages.h"

namespace softmoe::bench {

/// A fresh folder, removed with all it holds.
class Folder {
 public:
  /// @throws std::runtime_error if there can be none.
  Folder();
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder();
  [[nodiscard]] std::filesystem::path operator/(const std::string& name) const {
    return path_ / name;
  }

 private:
  std::filesystem::path path_;
};

/// What the system says a process has taken.
struct Usage {
  double resident_kib = 0;
  double peak_kib = 0;
  double processor_seconds = 0;
};

/// `softmoe coordinator` in a process of its own, for as long as this object.
class CoordinatorProcess {
 public:
  struct Options {
    std::string softmoe;  ///< path of the program
    int world = 1;        ///< ranks
    double heartbeat_seconds = 1.0;
    std::vector<std::string> overrides;  ///< key=value
  };

  /// Returns when it serves.
  /// @throws std::runtime_error with what it printed if it does not.
  explicit CoordinatorProcess(const Options& options);
  CoordinatorProcess(const CoordinatorProcess&) = delete;
  CoordinatorProcess& operator=(const CoordinatorProcess&) = delete;
  ~CoordinatorProcess() { end(); }

  [[nodiscard]] coordinator::Endpoint endpoint(coordinator::Role role) const {
    return coordinator::find_endpoint(config_, role);
  }
  [[nodiscard]] coordinator::Status status() const;
  [[nodiscard]] Usage usage() const;

 private:
  void start(std::vector<std::string>& words);
  [[nodiscard]] bool has_ended();
  void end();
  void wait_until_it_serves();

  Folder folder_;
  coordinator::CoordinatorConfig config_;
  pid_t pid_ = -1;
};

}  // namespace softmoe::bench
