#pragma once

#include <chrono>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "bench/coordinator_process.h"
#include "coordinator/client_calls.h"

namespace softmoe::bench {

using Clock = std::chrono::steady_clock;

[[nodiscard]] inline double milliseconds_of(Clock::duration time) {
  return std::chrono::duration<double, std::milli>(time).count();
}

/// What a thread's ranks saw.
struct Seen {
  std::vector<double> latencies_ms;
  double latest_ms = 0;  ///< longest that a heartbeat began after it was due
  std::int64_t failed = 0;
  std::int64_t refused = 0;
  std::string first_error;

  /// Makes a call and counts how it ended. @return its time if it was answered
  template <class Call>
  std::optional<double> time(const Call& call) {
    const auto begin = Clock::now();
    try {
      call();
      return milliseconds_of(Clock::now() - begin);
    } catch (const coordinator::Refused& error) {
      ++refused;
      if (first_error.empty()) first_error = error.what();
    } catch (const std::exception& error) {
      ++failed;
      if (first_error.empty()) first_error = error.what();
    }
    return std::nullopt;
  }

  void add(const Seen& other);
};

/// The ranks first, first + stride, ... of a world, one after the other; each has a connection.
class SimulatedRanks {
 public:
  /// @param status  of the process before anybody came; outlives the ranks
  SimulatedRanks(const CoordinatorProcess& process, const coordinator::Status& status, int first,
                 int stride);

  void register_all(Seen& seen);
  /// One heartbeat of each in every period, spread over it by rank.
  void beat(Clock::time_point begin, Clock::duration period, int num_periods, Seen& seen);

 private:
  [[nodiscard]] coordinator::RankProcess process_of(std::size_t i) const;

  const coordinator::Status& status_;
  int first_;
  int stride_;
  std::vector<std::unique_ptr<coordinator::ClientCalls>> calls_;
};

}  // namespace softmoe::bench
