#pragma once

// What the emulation takes NCCL to be. It holds for the header that is included here: the emulated
// one in nccl.cpp, the real one where types are checked against the toolkit.

#include <nccl.h>

#include <cstddef>
#include <type_traits>

namespace softmoe::gpu_emulation {

template <auto Function, class Type>
inline constexpr bool is_nccl_function = std::is_same_v<decltype(Function), Type*>;

static_assert(is_nccl_function<&ncclGetVersion, ncclResult_t(int*)>);
static_assert(is_nccl_function<&ncclGetUniqueId, ncclResult_t(ncclUniqueId*)>);
static_assert(is_nccl_function<&ncclCommInitRankConfig,
                               ncclResult_t(ncclComm_t*, int, ncclUniqueId, int, ncclConfig_t*)>);
static_assert(is_nccl_function<&ncclCommSplit,
                               ncclResult_t(ncclComm_t, int, int, ncclComm_t*, ncclConfig_t*)>);
static_assert(is_nccl_function<&ncclCommFinalize, ncclResult_t(ncclComm_t)>);
static_assert(is_nccl_function<&ncclCommDestroy, ncclResult_t(ncclComm_t)>);
static_assert(is_nccl_function<&ncclCommAbort, ncclResult_t(ncclComm_t)>);
static_assert(is_nccl_function<&ncclCommGetAsyncError, ncclResult_t(ncclComm_t, ncclResult_t*)>);
static_assert(is_nccl_function<&ncclGetErrorString, const char*(ncclResult_t)>);
static_assert(is_nccl_function<&ncclGetLastError, const char*(ncclComm_t)>);
static_assert(is_nccl_function<&ncclGroupStart, ncclResult_t()>);
static_assert(is_nccl_function<&ncclGroupEnd, ncclResult_t()>);
static_assert(is_nccl_function<&ncclSend, ncclResult_t(const void*, std::size_t, ncclDataType_t,
                                                       int, ncclComm_t, cudaStream_t)>);
static_assert(is_nccl_function<&ncclRecv, ncclResult_t(void*, std::size_t, ncclDataType_t, int,
                                                       ncclComm_t, cudaStream_t)>);
static_assert(
    is_nccl_function<&ncclAllGather, ncclResult_t(const void*, void*, std::size_t, ncclDataType_t,
                                                  ncclComm_t, cudaStream_t)>);
static_assert(
    is_nccl_function<&ncclBroadcast, ncclResult_t(const void*, void*, std::size_t, ncclDataType_t,
                                                  int, ncclComm_t, cudaStream_t)>);

static_assert(sizeof(ncclUniqueId) == 128);
static_assert(ncclSuccess == 0 && ncclUnhandledCudaError == 1 && ncclSystemError == 2 &&
              ncclInternalError == 3 && ncclInvalidArgument == 4 && ncclInvalidUsage == 5 &&
              ncclRemoteError == 6 && ncclInProgress == 7);
static_assert(ncclUint8 == 1);

static_assert(sizeof(ncclConfig_t) == 80);
static_assert(offsetof(ncclConfig_t, size) == 0 && offsetof(ncclConfig_t, magic) == 8 &&
              offsetof(ncclConfig_t, version) == 12 && offsetof(ncclConfig_t, blocking) == 16 &&
              offsetof(ncclConfig_t, cgaClusterSize) == 20 &&
              offsetof(ncclConfig_t, minCTAs) == 24 && offsetof(ncclConfig_t, maxCTAs) == 28 &&
              offsetof(ncclConfig_t, netName) == 32 && offsetof(ncclConfig_t, splitShare) == 40 &&
              offsetof(ncclConfig_t, trafficClass) == 44 &&
              offsetof(ncclConfig_t, commName) == 48 &&
              offsetof(ncclConfig_t, collnetEnable) == 56 &&
              offsetof(ncclConfig_t, CTAPolicy) == 60 &&
              offsetof(ncclConfig_t, shrinkShare) == 64 && offsetof(ncclConfig_t, nvlsCTAs) == 68 &&
              offsetof(ncclConfig_t, nChannelsPerNetPeer) == 72 &&
              offsetof(ncclConfig_t, nvlinkCentricSched) == 76);
static_assert([] {
  const ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
  return config.size == sizeof(ncclConfig_t) && config.magic == 0xcafebeefU &&
         config.version == 22809U && config.blocking == NCCL_CONFIG_UNDEF_INT &&
         config.maxCTAs == NCCL_CONFIG_UNDEF_INT &&
         config.nvlinkCentricSched == NCCL_CONFIG_UNDEF_INT;
}());

}  // namespace softmoe::gpu_emulation
