#include "parallel/nccl/nccl_rank.h"

#include <fmt/format.h>

#include <algorithm>
#include <exception>

#include "runtime/base/deadline.h"

namespace softmoe::parallel {

namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

// How soon a failure is noticed; nothing waits for the watch otherwise.
constexpr milliseconds kLookEvery{20};
constexpr microseconds kPollEvery{50};

/// The text for an operation that is late. NCCL does not say who is missing.
std::string late_operation_text(const Waiting& waiting, std::span<const Rank> peers) {
  if (peers.empty()) {
    return fmt::format("{}: the device of rank {} has not come to it within the limit of {} ms",
                       waiting.operation, waiting.group.in_world(waiting.group.rank).value,
                       waiting.limit.count());
  }
  std::string text = late_text(waiting, peers);
  if (peers.size() > 1) text += "; not all of them need be late: NCCL does not say who is";
  return text;
}

/// What `handle` is doing. Null handles have ended.
ncclResult_t state_of(const NcclHandle& handle) {
  ncclResult_t state = ncclSuccess;
  const ncclResult_t code = ncclCommGetAsyncError(handle.comm, &state);
  return code == ncclSuccess ? state : code;
}

}  // namespace

NcclRank::NcclRank(Device& device, const NcclOptions& options)
    : device_(&device), options_(options), control_(device), pending_(*device.accelerator()) {
  watcher_ = std::thread([this] { watch(); });
}

NcclRank::~NcclRank() {
  {
    const Lock lock(mutex_);
    is_stopping_ = true;
  }
  wake_.notify_one();
  watcher_.join();
}

void NcclRank::begin(const Subject& subject, const Stream& stream) {
  if (&stream.device() != device_) {
    throw InvalidArgument(
        fmt::format("{}: a communicator over NCCL wants a stream of its own device", subject.name));
  }
  const Lock lock(mutex_);
  throw_if_failed(subject);
  pending_.order(stream);
}

void NcclRank::end(const Subject& subject, const Stream& stream) {
  {
    const Lock lock(mutex_);
    pending_.push(subject.name, subject.group, subject.peers, stream);
  }
  wake_.notify_one();
}

void NcclRank::wait_until_ready(const Subject& subject, NcclHandle& handle) {
  const Deadline deadline = Deadline::in(options_.comm.timeout);
  while (true) {
    {
      const Lock lock(mutex_);
      throw_if_failed(subject);
      const ncclResult_t state = state_of(handle);
      if (state == ncclSuccess) return;
      if (state != ncclInProgress) fail_and_throw(nccl_text(state, subject.name, handle.comm));
      if (deadline.passed()) {
        std::vector<Rank> others;
        for (Rank peer{0}; peer.value < subject.group->size(); ++peer.value) {
          if (peer != subject.group->rank) others.push_back(peer);
        }
        fail_and_throw(late_operation_text(waiting(subject), others));
      }
    }
    std::this_thread::sleep_for(kPollEvery);
  }
}

void NcclRank::check_alive(const Subject& subject) {
  const Lock lock(mutex_);
  throw_if_failed(subject);
}

void NcclRank::adopt(NcclHandle& handle) {
  const Lock lock(mutex_);
  handles_.push_back(&handle);
}

void NcclRank::close(NcclHandle& handle) noexcept {
  bool all_came = false;
  try {
    settle();
    all_came = finalize(handle);
  } catch (const std::exception&) {
    // Whoever waits for the operations hears of it; here it only matters that nobody will come.
  }
  const Lock lock(mutex_);
  handles_.erase(std::remove(handles_.begin(), handles_.end(), &handle), handles_.end());
  if (handle.comm == nullptr) return;
  if (all_came) {
    ncclCommDestroy(handle.comm);
  } else {
    ncclCommAbort(handle.comm);
  }
  handle.comm = nullptr;
}

void NcclRank::fail(const std::string& text) noexcept {
  const Lock lock(mutex_);
  fail_locked(text);
}

void NcclRank::fail_locked(const std::string& text) noexcept {
  if (failure_) return;
  failure_ = text;
  // Before anything ends: the host, which then wakes, must find it.
  device_->accelerator()->fail(std::make_exception_ptr(CommError(text)));
  // In a group all are told to end before the first is waited for. On the device their operations
  // stand behind one another: one alone might wait for what only the end of the next one ends.
  ncclGroupStart();
  for (NcclHandle* handle : handles_) {
    if (handle->comm != nullptr) ncclCommAbort(handle->comm);
    handle->comm = nullptr;
  }
  ncclGroupEnd();
}

void NcclRank::fail_and_throw(const std::string& text) {
  fail_locked(text);
  throw CommError(text);
}

void NcclRank::throw_if_failed(const Subject& subject) const {
  if (!failure_) return;
  const RankGroup& group = *subject.group;
  throw CommError(gave_up_text(waiting(subject), group.in_world(group.rank), *failure_));
}

Waiting NcclRank::waiting(const Subject& subject) const {
  return {subject.name, *subject.group, options_.comm.timeout};
}

void NcclRank::settle() {
  Accelerator::EventHandle newest = nullptr;
  {
    const Lock lock(mutex_);
    if (failure_ || pending_.empty()) return;
    newest = pending_.newest().event;
  }
  // Only this thread records events anew, so this one stays what it is.
  device_->accelerator()->host_wait(newest);
}

bool NcclRank::finalize(NcclHandle& handle) {
  const Deadline deadline = Deadline::in(options_.comm.timeout);
  {
    const Lock lock(mutex_);
    if (handle.comm == nullptr || !is_taken(ncclCommFinalize(handle.comm))) return false;
  }
  while (!deadline.passed()) {
    {
      const Lock lock(mutex_);
      if (handle.comm == nullptr) return false;
      const ncclResult_t state = state_of(handle);
      if (state != ncclInProgress) return state == ncclSuccess;
    }
    std::this_thread::sleep_for(kPollEvery);
  }
  return false;
}

void NcclRank::watch() {
  Lock lock(mutex_);
  while (!is_stopping_ && !failure_) {
    if (pending_.empty()) {
      wake_.wait(lock);
    } else {
      wake_.wait_for(lock, kLookEvery);
    }
    look();
  }
}

void NcclRank::look() {
  try {
    pending_.forget_passed();
  } catch (const std::exception& error) {
    // A failure of the device stays one, whoever sees it first.
    device_->accelerator()->fail(std::current_exception());
    fail_locked(error.what());
  }
  if (failure_ || pending_.empty()) return;

  const PendingOperations::Operation& oldest = pending_.oldest();
  const Waiting waiting{oldest.name, *oldest.group, options_.comm.timeout};
  for (const NcclHandle* handle : handles_) {
    if (handle->comm == nullptr) continue;
    const ncclResult_t state = state_of(*handle);
    if (!is_taken(state)) {
      fail_locked(fmt::format("rank {} stops: {}", oldest.group->in_world(oldest.group->rank).value,
                              nccl_text(state, oldest.name, handle->comm)));
      return;
    }
  }
  if (PendingOperations::Clock::now() - oldest.since > options_.comm.timeout)
    fail_locked(late_operation_text(waiting, oldest.peers));
}

}  // namespace softmoe::parallel
