#pragma once

#include <cstdint>

namespace softmoe::test {

/// How often the calling thread has taken memory from the heap (operator new of any kind).
/// Counted in the program that heap_counter.cpp is linked to.
[[nodiscard]] std::int64_t heap_allocations_here();
/// The same of all threads together.
[[nodiscard]] std::int64_t heap_allocations_anywhere();

}  // namespace softmoe::test
