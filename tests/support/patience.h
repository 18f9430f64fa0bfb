#pragma once

#include <chrono>

namespace softmoe::test {

/// `limit`, stretched under sanitizers. For every deadline and every duration that a test measures.
[[nodiscard]] std::chrono::milliseconds patience(std::chrono::milliseconds limit);

}  // namespace softmoe::test
