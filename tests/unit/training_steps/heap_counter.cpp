// Replaces the global operator new of this program by one that counts: every form, since a
// sanitizer replaces the forms that are left and would see memory freed by another hand than took
// it.

#include "tests/unit/training_steps/heap_counter.h"

#include <atomic>
#include <cstdlib>
#include <new>

namespace {

thread_local std::int64_t num_here = 0;
std::atomic<std::int64_t> num_anywhere = 0;

void count() {
  ++num_here;
  num_anywhere.fetch_add(1, std::memory_order_relaxed);
}

void* take(std::size_t size) {
  count();
  void* memory = std::malloc(size == 0 ? 1 : size);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

void* take_aligned(std::size_t size, std::align_val_t alignment) {
  count();
  const auto unit = static_cast<std::size_t>(alignment);
  void* memory = std::aligned_alloc(unit, (size + unit - 1) / unit * unit);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

}  // namespace

void* operator new(std::size_t size) {
  return take(size);
}
void* operator new[](std::size_t size) {
  return take(size);
}
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  count();
  return std::malloc(size == 0 ? 1 : size);
}
void* operator new[](std::size_t size, const std::nothrow_t& nothrow) noexcept {
  return operator new(size, nothrow);
}
void* operator new(std::size_t size, std::align_val_t alignment) {
  return take_aligned(size, alignment);
}
void* operator new[](std::size_t size, std::align_val_t alignment) {
  return take_aligned(size, alignment);
}
void operator delete(void* memory) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
  std::free(memory);
}
void operator delete[](void* memory) noexcept {
  std::free(memory);
}
void operator delete[](void* memory, std::size_t) noexcept {
  std::free(memory);
}
void operator delete(void* memory, const std::nothrow_t&) noexcept {
  std::free(memory);
}
void operator delete[](void* memory, const std::nothrow_t&) noexcept {
  std::free(memory);
}
void operator delete[](void* memory, std::align_val_t) noexcept {
  std::free(memory);
}
void operator delete[](void* memory, std::size_t, std::align_val_t) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::align_val_t) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept {
  std::free(memory);
}

namespace softmoe::test {

std::int64_t heap_allocations_here() {
  return num_here;
}

std::int64_t heap_allocations_anywhere() {
  return num_anywhere.load(std::memory_order_relaxed);
}

}  // namespace softmoe::test
