#pragma once

#include <functional>
#include <thread>

namespace softmoe::metrics {

/// Starts a thread that no signal is delivered to: those of the process stay with the threads that
/// expect them. @param body  does not throw
[[nodiscard]] std::thread start_quiet_thread(std::function<void()> body);

}  // namespace softmoe::metrics
