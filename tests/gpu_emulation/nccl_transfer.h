#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tests/gpu_emulation/nccl_clique.h"
#include "tests/gpu_emulation/scheduler.h"

namespace softmoe::gpu_emulation {

/// A group of messages and collectives on one stream, or a single one: what NCCL makes one kernel
/// of. It may run when for every part the partners have come to theirs on their own streams; who
/// runs first moves the bytes for both.
class Transfer final : public WorkItem {
 public:
  /// Numbers the parts: the order of construction is the order in which they match. The caller
  /// holds the scheduler's lock.
  Transfer(std::shared_ptr<NcclEnd> end, Stream& stream, std::vector<TransferPart> parts);
  ~Transfer() override;
  Transfer(const Transfer&) = delete;
  Transfer& operator=(const Transfer&) = delete;

  [[nodiscard]] bool ready() override;
  void run() override;
  [[nodiscard]] std::string describe() const override;

  [[nodiscard]] Stream& stream() const { return *stream_; }
  [[nodiscard]] const NcclEnd& end() const { return *end_; }
  /// The parts that are not done, in words.
  [[nodiscard]] std::string contents() const;
  /// Whether its stream has come to it.
  [[nodiscard]] bool has_arrived() const { return has_arrived_ && !end_->aborted; }

 private:
  /// The partner of a message, the parts of all ranks of a collective; null where one is missing.
  [[nodiscard]] std::vector<TransferPart*> partners_of(const TransferPart& part) const;
  [[nodiscard]] bool is_ready(const TransferPart& part) const;
  /// A fault unless all transfers of the device that were called before are done.
  void check_order() const;
  /// Whether the partners, who are there, say something else. Reported the first time; then it
  /// hangs as it would on GPUs.
  [[nodiscard]] bool is_misfit(const TransferPart& part) const;
  void finish(TransferPart& part);
  void withdraw(const TransferPart& part);
  [[nodiscard]] std::string waits_for(const TransferPart& part) const;

  std::shared_ptr<NcclEnd> end_;
  Stream* stream_;
  std::vector<TransferPart> parts_;
  bool has_arrived_ = false;
};

}  // namespace softmoe::gpu_emulation
