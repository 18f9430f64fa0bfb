#pragma once

// What all communicators of one rank share. For files of parallel/nccl only.

#include <nccl.h>

#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "parallel/nccl/nccl_error.h"
#include "parallel/nccl/pending_operations.h"
#include "parallel/nccl_world.h"
#include "parallel/rank_group.h"

namespace softmoe::parallel {

/// A communicator of NCCL. Read and written under the lock of its NcclRank, which sets it to null
/// when it ends it.
struct NcclHandle {
  ncclComm_t comm = nullptr;
};

/// The order of a rank's operations, the watch over them, and the first failure. One lock is around
/// every call of NCCL: a thread that ends communicators never meets one in use. No call waits under
/// it, because communicators do not block.
class NcclRank {
 public:
  /// What a call is about, for messages of errors and for the watch.
  struct Subject {
    std::string_view name;  ///< a literal
    const std::shared_ptr<const RankGroup>& group;
    std::span<const Rank> peers = {};  ///< empty: all others of the group
  };

  NcclRank(Device& device, const NcclOptions& options);
  ~NcclRank();
  NcclRank(const NcclRank&) = delete;
  NcclRank& operator=(const NcclRank&) = delete;

  [[nodiscard]] Device& device() const { return *device_; }
  [[nodiscard]] const NcclOptions& options() const { return options_; }
  /// For what communicators do by themselves.
  [[nodiscard]] Stream& control() { return control_; }

  /// Enqueues what `call(ncclComm_t)` starts on `stream`, behind every operation called before.
  template <class Call>
  void enqueue(const Subject& subject, NcclHandle& handle, Stream& stream, Call call) {
    begin(subject, stream);
    complete(subject, handle, call);
    end(subject, stream);
  }
  /// Makes the call, and waits until its work on the host is done.
  template <class Call>
  void complete(const Subject& subject, NcclHandle& handle, Call call) {
    {
      const Lock lock(mutex_);
      throw_if_failed(subject);
      const ncclResult_t code = call(handle.comm);
      if (!is_taken(code)) fail_and_throw(nccl_text(code, subject.name, handle.comm));
    }
    wait_until_ready(subject, handle);
  }

  /// @throws CommError if the rank has failed before.
  void check_alive(const Subject& subject);
  /// From here on a failure ends `handle` too.
  void adopt(NcclHandle& handle);
  /// Waits for all operations and ends the communicator, as the peers do.
  void close(NcclHandle& handle) noexcept;

  /// Ends all communicators; what the host waits for throws CommError(`text`). The first call
  /// counts.
  void fail(const std::string& text) noexcept;

 private:
  using Lock = std::unique_lock<std::mutex>;

  void begin(const Subject& subject, const Stream& stream);
  void end(const Subject& subject, const Stream& stream);
  /// Waits until nothing is under way in `handle` on the host.
  void wait_until_ready(const Subject& subject, NcclHandle& handle);

  void fail_locked(const std::string& text) noexcept;
  [[noreturn]] void fail_and_throw(const std::string& text);
  void throw_if_failed(const Subject& subject) const;
  [[nodiscard]] Waiting waiting(const Subject& subject) const;
  /// Waits on the host for every operation called so far.
  void settle();
  /// Lets the communicator meet its peers for the last time. @return whether they came.
  [[nodiscard]] bool finalize(NcclHandle& handle);

  void watch();
  /// Fails if the oldest operation is late or a communicator has an error.
  void look();

  Device* device_;
  NcclOptions options_;
  Stream control_;

  std::mutex mutex_;
  std::condition_variable wake_;
  PendingOperations pending_;
  std::vector<NcclHandle*> handles_;
  std::optional<std::string> failure_;
  bool is_stopping_ = false;
  std::thread watcher_;
};

}  // namespace softmoe::parallel
