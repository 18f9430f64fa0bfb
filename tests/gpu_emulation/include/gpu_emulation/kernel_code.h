#pragma once

// What the body of a kernel uses.

#include <gpu_emulation/collectives.h>
#include <gpu_emulation/types.h>
#include <math.h>

#include <bit>
#include <concepts>
#include <cstdint>
#include <cstring>

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)
#define __align__(bytes) __attribute__((aligned(bytes)))
// Work in a declaration of `extern __shared__` only: no local variable may be in a section of its
// own, so static shared memory, which is not emulated, does not compile.
#define __shared__ __attribute__((section(".bss.softmoe_shared")))

// Those of the thread that runs; reloaded after every barrier and collective.
extern uint3 threadIdx;
extern uint3 blockIdx;
extern dim3 blockDim;
extern dim3 gridDim;

inline float2 make_float2(float x, float y) {
  return {x, y};
}
inline float4 make_float4(float x, float y, float z, float w) {
  return {x, y, z, w};
}
inline int2 make_int2(int x, int y) {
  return {x, y};
}
inline int4 make_int4(int x, int y, int z, int w) {
  return {x, y, z, w};
}
inline uint2 make_uint2(unsigned x, unsigned y) {
  return {x, y};
}
inline uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) {
  return {x, y, z, w};
}

inline int __popc(unsigned value) {
  return std::popcount(value);
}
inline int __clz(int value) {
  return std::countl_zero(static_cast<unsigned>(value));
}
inline int __ffs(int value) {
  return __builtin_ffs(value);
}

inline void __syncthreads() {
  softmoe::gpu_emulation::meet_block();
}

namespace softmoe::gpu_emulation {

/// What lanes may hand to each other; CUDA has no more overloads than these.
template <class T>
concept LaneValue = std::same_as<T, int> || std::same_as<T, unsigned> || std::same_as<T, long> ||
    std::same_as<T, unsigned long> || std::same_as<T, long long> ||
    std::same_as<T, unsigned long long> || std::same_as<T, float> || std::same_as<T, double>;

template <LaneValue T>
std::uint64_t to_bits(T value) {
  std::uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof value);
  return bits;
}
template <LaneValue T>
T from_bits(std::uint64_t bits) {
  T value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

template <LaneValue T>
T shuffle(Collective kind, unsigned mask, T value, int argument, int width) {
  return from_bits<T>(meet_warp({kind, mask, to_bits(value), argument, width}));
}

}  // namespace softmoe::gpu_emulation

// Shuffles and votes order no memory: ThreadSanitizer is told nothing. __syncwarp does.
inline void __syncwarp(unsigned mask = 0xffffffffU) {
  (void)softmoe::gpu_emulation::meet_warp({softmoe::gpu_emulation::Collective::sync, mask});
}

template <softmoe::gpu_emulation::LaneValue T>
T __shfl_sync(unsigned mask, T value, int source, int width = 32) {
  return softmoe::gpu_emulation::shuffle(softmoe::gpu_emulation::Collective::shuffle, mask, value,
                                         source, width);
}
template <softmoe::gpu_emulation::LaneValue T>
T __shfl_up_sync(unsigned mask, T value, unsigned distance, int width = 32) {
  return softmoe::gpu_emulation::shuffle(softmoe::gpu_emulation::Collective::shuffle_up, mask,
                                         value, static_cast<int>(distance), width);
}
template <softmoe::gpu_emulation::LaneValue T>
T __shfl_down_sync(unsigned mask, T value, unsigned distance, int width = 32) {
  return softmoe::gpu_emulation::shuffle(softmoe::gpu_emulation::Collective::shuffle_down, mask,
                                         value, static_cast<int>(distance), width);
}
template <softmoe::gpu_emulation::LaneValue T>
T __shfl_xor_sync(unsigned mask, T value, int lane_mask, int width = 32) {
  return softmoe::gpu_emulation::shuffle(softmoe::gpu_emulation::Collective::shuffle_xor, mask,
                                         value, lane_mask, width);
}

inline unsigned __ballot_sync(unsigned mask, int predicate) {
  return static_cast<unsigned>(softmoe::gpu_emulation::meet_warp(
      {softmoe::gpu_emulation::Collective::ballot, mask, predicate != 0 ? 1U : 0U}));
}
inline int __any_sync(unsigned mask, int predicate) {
  return static_cast<int>(softmoe::gpu_emulation::meet_warp(
      {softmoe::gpu_emulation::Collective::any, mask, predicate != 0 ? 1U : 0U}));
}
inline int __all_sync(unsigned mask, int predicate) {
  return static_cast<int>(softmoe::gpu_emulation::meet_warp(
      {softmoe::gpu_emulation::Collective::all, mask, predicate != 0 ? 1U : 0U}));
}
template <softmoe::gpu_emulation::LaneValue T>
unsigned __match_any_sync(unsigned mask, T value) {
  return static_cast<unsigned>(
      softmoe::gpu_emulation::meet_warp({softmoe::gpu_emulation::Collective::match_any, mask,
                                         softmoe::gpu_emulation::to_bits(value)}));
}

// Atomic, but no edge between threads. Integers only: sums of floating-point numbers depend on the
// order in which threads come.
inline int atomicAdd(int* address, int value) {
  return __atomic_fetch_add(address, value, __ATOMIC_RELAXED);
}
inline unsigned atomicAdd(unsigned* address, unsigned value) {
  return __atomic_fetch_add(address, value, __ATOMIC_RELAXED);
}
inline unsigned long long atomicAdd(unsigned long long* address, unsigned long long value) {
  return __atomic_fetch_add(address, value, __ATOMIC_RELAXED);
}
