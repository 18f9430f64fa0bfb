#pragma once

#include <chrono>
#include <thread>

#include "runtime/metrics/http_server.h"
#include "tests/support/patience.h"

namespace softmoe::metrics {

/// Whether the server comes to count so: it does when a reply has left, a moment after the client
/// may have it.
[[nodiscard]] inline bool counts_soon(const HttpServer& server, HttpServer::Counts wanted) {
  using Clock = std::chrono::steady_clock;
  const Clock::time_point end = Clock::now() + test::patience(std::chrono::seconds(10));
  while (Clock::now() < end) {
    const HttpServer::Counts counts = server.counts();
    if (counts.served == wanted.served && counts.refused == wanted.refused) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return false;
}

}  // namespace softmoe::metrics
