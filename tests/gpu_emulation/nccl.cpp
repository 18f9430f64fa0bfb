// The calls of NCCL: communicators come and go here, transfers are put on streams.

#include <fmt/format.h>
#include <nccl.h>

#include <algorithm>
#include <cstring>
#include <set>
#include <utility>

#include "tests/gpu_emulation/call_errors.h"
#include "tests/gpu_emulation/faults.h"
#include "tests/gpu_emulation/nccl_clique.h"
#include "tests/gpu_emulation/nccl_signatures.h"
#include "tests/gpu_emulation/nccl_transfer.h"

using softmoe::gpu_emulation::Clique;
using softmoe::gpu_emulation::NcclEnd;

/// What ncclComm_t points to.
struct ncclComm {
  std::shared_ptr<NcclEnd> end;
};

namespace softmoe::gpu_emulation {
namespace {

/// Communicators of this process; guarded by the scheduler's lock.
struct NcclProcess {
  std::set<ncclComm_t> live;
  std::map<std::string, std::shared_ptr<Clique>> joining;  ///< worlds that are not complete, by id
  int num_cliques = 0;
  int num_ids = 0;
  std::string last_error;  ///< of calls without a communicator
};

NcclProcess& process() {
  static NcclProcess instance;
  return instance;
}

/// A call that the real NCCL would refuse, or that the emulation does not know.
ncclResult_t refuse(std::string text) {
  report(FaultKind::call, "NCCL: " + text);
  process().last_error = std::move(text);
  return ncclInvalidUsage;
}

bool is_error(ncclResult_t state) {
  return state != ncclSuccess && state != ncclInProgress;
}

/// Calls `function(end)` under the lock if `comm` is one that has not ended.
template <class Function>
ncclResult_t with_end(ncclComm_t comm, const char* call, Function function) {
  return scheduler().locked([&]() -> ncclResult_t {
    if (process().live.count(comm) == 0)
      return refuse(fmt::format("{}: not a communicator, or one that has ended", call));
    return function(*comm->end);
  });
}

/// The same where the communicator must have done what it was called for before.
template <class Function>
ncclResult_t with_ready_end(ncclComm_t comm, const char* call, Function function) {
  return with_end(comm, call, [&](NcclEnd& end) -> ncclResult_t {
    if (end.state == ncclInProgress || end.finalizing) {
      return refuse(
          fmt::format("{}: {} is still at what it was called for before", call, name_of(end)));
    }
    return is_error(end.state) ? end.state : function(end);
  });
}

ncclResult_t check_config(const ncclConfig_t* config, const char* call) {
  const auto is_count = [](int ctas) {
    return ctas == NCCL_CONFIG_UNDEF_INT || (ctas > 0 && ctas <= 64);
  };
  if (config == nullptr || config->size != sizeof(ncclConfig_t) || config->magic != 0xcafebeef)
    return refuse(fmt::format("{}: the configuration was not initialised", call));
  if (config->blocking != 0)
    return refuse(fmt::format("{}: communicators that block are not emulated", call));
  if (!is_count(config->minCTAs) || !is_count(config->maxCTAs))
    return refuse(fmt::format("{}: minCTAs and maxCTAs are 1 to 64", call));
  return ncclSuccess;
}

ncclComm_t make_handle(std::shared_ptr<NcclEnd> end) {
  auto handle = std::make_unique<ncclComm>();
  handle->end = std::move(end);
  process().live.insert(handle.get());
  return handle.release();
}

std::shared_ptr<NcclEnd> make_end(const std::shared_ptr<Clique>& clique, int rank, int device) {
  auto end = std::make_shared<NcclEnd>();
  end->clique = clique;
  end->rank = rank;
  end->device = device;
  clique->ends[static_cast<std::size_t>(rank)] = end.get();
  ++clique->num_joined;
  return end;
}

void forget(ncclComm_t comm) {
  // What it launches refers to it.
  comm->end->launching.clear();
  process().live.erase(comm);
  delete comm;
}

/// All ranks have come to a split: one new communicator for each color.
void complete_split(std::vector<Clique::SplitChoice> choices) {
  std::stable_sort(choices.begin(), choices.end(), [](const auto& one, const auto& other) {
    return std::pair(one.color, one.key) < std::pair(other.color, other.key);
  });
  for (auto begin = choices.begin(); begin != choices.end();) {
    const auto end = std::find_if(begin, choices.end(),
                                  [&](const auto& choice) { return choice.color != begin->color; });
    const auto clique = std::make_shared<Clique>(++process().num_cliques,
                                                 static_cast<int>(std::distance(begin, end)));
    for (auto choice = begin; choice != end; ++choice) {
      choice->end->split_result =
          make_end(clique, static_cast<int>(choice - begin), choice->end->device);
    }
    clique->connect();
    begin = end;
  }
}

/// Lets what was called go on by one step. Some of it is given to `launched` to be put on streams.
void progress(NcclEnd& end, std::vector<std::unique_ptr<Transfer>>& launched) {
  if (is_error(end.state)) return;
  if (end.split_result != nullptr) {
    *end.split_target = make_handle(std::exchange(end.split_result, nullptr));
    end.state = ncclSuccess;
  }
  if (!end.launching.empty()) {
    // Seen under way at least once.
    if (std::exchange(end.has_looked_at_launch, true)) {
      launched = std::exchange(end.launching, {});
      end.has_looked_at_launch = false;
      end.state = ncclSuccess;
    }
  }
  if (end.finalizing && end.clique->num_finalized == end.clique->size()) end.state = ncclSuccess;
}

/// A call inside a group, kept until the group ends.
struct GroupedCall {
  ncclComm_t comm;
  cudaStream_t stream;
  TransferPart part;
};

struct Group {
  int depth = 0;
  std::vector<GroupedCall> calls;
};

Group& group() {
  thread_local Group instance;
  return instance;
}

/// Makes one transfer of the calls that have communicator and stream of the first, and drops them.
ncclResult_t launch_first(std::vector<GroupedCall>& calls) {
  const GroupedCall first = calls.front();
  std::vector<TransferPart> parts;
  std::erase_if(calls, [&](const GroupedCall& call) {
    if (call.comm != first.comm || call.stream != first.stream) return false;
    parts.push_back(call.part);
    return true;
  });
  return with_end(first.comm, "ncclGroupEnd", [&](NcclEnd& end) {
    if (is_error(end.state)) return end.state;
    end.launching.push_back(
        std::make_unique<Transfer>(first.comm->end, *first.stream, std::move(parts)));
    end.state = ncclInProgress;
    return ncclInProgress;
  });
}

ncclResult_t add(const char* call, ncclComm_t comm, cudaStream_t stream, const TransferPart& part) {
  if (!scheduler().is_stream(stream)) {
    return scheduler().locked([&] { return refuse(fmt::format("{}: not a stream", call)); });
  }
  const ncclResult_t code = with_ready_end(comm, call, [&](NcclEnd& end) -> ncclResult_t {
    if (stream->device != end.device)
      return refuse(fmt::format("{}: the stream is of another device than the communicator", call));
    if (part.peer < 0 || part.peer >= end.clique->size())
      return refuse(fmt::format("{}: {} has no rank {}", call, name_of(end), part.peer));
    return ncclSuccess;
  });
  if (code != ncclSuccess) return code;
  group().calls.push_back({comm, stream, part});
  if (group().depth > 0) return ncclSuccess;
  ncclGroupStart();
  return ncclGroupEnd();
}

}  // namespace
}  // namespace softmoe::gpu_emulation

using namespace softmoe::gpu_emulation;

extern "C" {

ncclResult_t ncclGetUniqueId(ncclUniqueId* uniqueId) {
  return scheduler().locked([&] {
    *uniqueId = {};
    const std::string text = fmt::format("emulated id {}", ++process().num_ids);
    std::memcpy(uniqueId->internal, text.data(), text.size());
    return ncclSuccess;
  });
}

ncclResult_t ncclCommInitRankConfig(ncclComm_t* comm, int nranks, ncclUniqueId commId, int rank,
                                    ncclConfig_t* config) {
  const char* const call = __func__;
  const int device = current_device();
  return scheduler().locked([&]() -> ncclResult_t {
    *comm = nullptr;
    if (const ncclResult_t code = check_config(config, call); code != ncclSuccess) return code;
    if (nranks < 1 || rank < 0 || rank >= nranks) return ncclInvalidArgument;
    const std::string id(commId.internal, sizeof(commId.internal));
    std::shared_ptr<Clique>& clique = process().joining[id];
    if (clique == nullptr) clique = std::make_shared<Clique>(++process().num_cliques, nranks);
    if (clique->size() != nranks || clique->end(rank) != nullptr)
      return refuse(fmt::format("{}: rank {} of {} does not fit the others", call, rank, nranks));
    *comm = make_handle(make_end(clique, rank, device));
    if (clique->num_joined == clique->size()) {
      clique->connect();
      process().joining.erase(id);
    }
    return ncclInProgress;
  });
}

ncclResult_t ncclCommSplit(ncclComm_t comm, int color, int key, ncclComm_t* newcomm,
                           ncclConfig_t* config) {
  const char* const call = __func__;
  return with_ready_end(comm, call, [&](NcclEnd& end) -> ncclResult_t {
    *newcomm = nullptr;
    if (const ncclResult_t code = check_config(config, call); code != ncclSuccess) return code;
    if (color < 0) return refuse(fmt::format("{}: color {} is negative", call, color));
    std::vector<Clique::SplitChoice>& choices = end.clique->splits[end.num_splits];
    choices.push_back({&end, color, key});
    end.split_target = newcomm;
    end.state = ncclInProgress;
    if (std::ssize(choices) == end.clique->size()) {
      // Equal keys are ordered by rank.
      std::sort(choices.begin(), choices.end(),
                [](const auto& one, const auto& other) { return one.end->rank < other.end->rank; });
      complete_split(std::move(choices));
      end.clique->splits.erase(end.num_splits);
    }
    ++end.num_splits;
    return ncclInProgress;
  });
}

ncclResult_t ncclCommFinalize(ncclComm_t comm) {
  const char* const call = __func__;
  return with_ready_end(comm, call, [&](NcclEnd& end) -> ncclResult_t {
    if (!end.transfers.empty()) {
      return refuse(fmt::format("{}: {} has work that nobody waited for: {}", call, name_of(end),
                                end.transfers.front()->contents()));
    }
    end.finalizing = true;
    end.state = ncclInProgress;
    ++end.clique->num_finalized;
    return ncclInProgress;
  });
}

ncclResult_t ncclCommDestroy(ncclComm_t comm) {
  const char* const call = __func__;
  return with_end(comm, call, [&](NcclEnd& end) -> ncclResult_t {
    if (!end.finalizing || end.state != ncclSuccess)
      return refuse(fmt::format("{}: {} is not finalized", call, name_of(end)));
    forget(comm);
    return ncclSuccess;
  });
}

ncclResult_t ncclCommAbort(ncclComm_t comm) {
  const ncclResult_t code = with_end(comm, __func__, [&](NcclEnd& end) -> ncclResult_t {
    end.aborted = true;
    end.clique->fail(ncclRemoteError, fmt::format("{} has aborted", name_of(end)));
    forget(comm);
    return ncclSuccess;
  });
  scheduler().wake();
  return code;
}

ncclResult_t ncclCommGetAsyncError(ncclComm_t comm, ncclResult_t* asyncError) {
  std::vector<std::unique_ptr<Transfer>> launched;
  const ncclResult_t code = with_end(comm, __func__, [&](NcclEnd& end) {
    progress(end, launched);
    *asyncError = end.state;
    return ncclSuccess;
  });
  for (std::unique_ptr<Transfer>& transfer : launched) {
    Stream& stream = transfer->stream();
    scheduler().enqueue(stream, std::move(transfer));
  }
  return code;
}

ncclResult_t ncclGetVersion(int* version) {
  *version = 22'809;
  return ncclSuccess;
}

const char* ncclGetErrorString(ncclResult_t result) {
  switch (result) {
    case ncclSuccess:
      return "no error";
    case ncclUnhandledCudaError:
      return "unhandled cuda error";
    case ncclSystemError:
      return "unhandled system error";
    case ncclInternalError:
      return "internal error";
    case ncclInvalidArgument:
      return "invalid argument";
    case ncclInvalidUsage:
      return "invalid usage";
    case ncclRemoteError:
      return "remote process exited or there was a network error";
    case ncclInProgress:
      return "NCCL operation in progress";
    default:
      return "unknown result code";
  }
}

const char* ncclGetLastError(ncclComm_t comm) {
  thread_local std::string text;
  text = scheduler().locked([&] {
    const bool is_live = process().live.count(comm) != 0;
    return is_live ? comm->end->last_error : process().last_error;
  });
  return text.c_str();
}

ncclResult_t ncclGroupStart() {
  ++group().depth;
  return ncclSuccess;
}

ncclResult_t ncclGroupEnd() {
  if (group().depth == 0) {
    return scheduler().locked([] { return refuse("ncclGroupEnd without ncclGroupStart"); });
  }
  if (--group().depth > 0) return ncclSuccess;
  ncclResult_t result = ncclSuccess;
  while (!group().calls.empty()) {
    const ncclResult_t code = launch_first(group().calls);
    if (!is_error(result)) result = code;
  }
  return result;
}

ncclResult_t ncclSend(const void* sendbuff, size_t count, ncclDataType_t, int peer, ncclComm_t comm,
                      cudaStream_t stream) {
  return add(__func__, comm, stream,
             {.kind = TransferPart::Kind::send,
              .peer = peer,
              .source = static_cast<const std::byte*>(sendbuff),
              .bytes = count});
}

ncclResult_t ncclRecv(void* recvbuff, size_t count, ncclDataType_t, int peer, ncclComm_t comm,
                      cudaStream_t stream) {
  return add(__func__, comm, stream,
             {.kind = TransferPart::Kind::receive,
              .peer = peer,
              .target = static_cast<std::byte*>(recvbuff),
              .bytes = count});
}

ncclResult_t ncclAllGather(const void* sendbuff, void* recvbuff, size_t sendcount, ncclDataType_t,
                           ncclComm_t comm, cudaStream_t stream) {
  return add(__func__, comm, stream,
             {.kind = TransferPart::Kind::all_gather,
              .source = static_cast<const std::byte*>(sendbuff),
              .target = static_cast<std::byte*>(recvbuff),
              .bytes = sendcount});
}

ncclResult_t ncclBroadcast(const void* sendbuff, void* recvbuff, size_t count, ncclDataType_t,
                           int root, ncclComm_t comm, cudaStream_t stream) {
  return add(__func__, comm, stream,
             {.kind = TransferPart::Kind::broadcast,
              .peer = root,
              .source = static_cast<const std::byte*>(sendbuff),
              .target = static_cast<std::byte*>(recvbuff),
              .bytes = count});
}

}  // extern "C"
