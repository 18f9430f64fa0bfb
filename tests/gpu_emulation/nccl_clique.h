#pragma once

// The ranks of a communicator of NCCL, and what is under way between them. Everything here is
// guarded by the scheduler's lock.

#include <nccl.h>

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

namespace softmoe::gpu_emulation {

struct NcclEnd;
class Transfer;

/// One message, or one rank's share in a collective.
struct TransferPart {
  enum class Kind : std::uint8_t { send, receive, all_gather, broadcast };

  Kind kind;
  int peer = 0;  ///< of a message: the other rank; of a broadcast: the root
  const std::byte* source = nullptr;
  std::byte* target = nullptr;
  std::size_t bytes = 0;    ///< of the message; of an all-gather: of one rank
  std::int64_t number = 0;  ///< among the messages of the pair, among the collectives
  bool done = false;
  Transfer* transfer = nullptr;
};

/// "all_gather of 4 bytes", "a send of 4 bytes to rank 1".
[[nodiscard]] std::string describe(const TransferPart& part);

/// What parts meet by: the direction and the pair, or the rank in collectives; and the number.
enum class Lane : std::uint8_t { send, receive, collective };
using PartKey = std::tuple<Lane, int, int, std::int64_t>;

/// What the ranks of one communicator share.
struct Clique {
  Clique(int its_number, int its_size)
      : number(its_number), ends(static_cast<std::size_t>(its_size)) {}

  [[nodiscard]] int size() const { return static_cast<int>(ends.size()); }
  [[nodiscard]] NcclEnd* end(int rank) const { return ends[static_cast<std::size_t>(rank)]; }
  /// The ranks become able to talk, unless two of them share a device.
  void connect();
  /// Ends everything with an error that each rank is told of.
  void fail(ncclResult_t state, const std::string& text);
  /// The part under way, or null.
  [[nodiscard]] TransferPart* find(const PartKey& key) const;

  struct SplitChoice {
    NcclEnd* end = nullptr;
    int color = 0;
    int key = 0;
  };

  int number;                  ///< for reports
  std::vector<NcclEnd*> ends;  ///< by rank; null: has not come, or has left
  int num_joined = 0;
  int num_finalized = 0;
  bool is_misfit_told = false;
  std::map<PartKey, TransferPart*> under_way;
  std::map<std::tuple<Lane, int, int>, std::int64_t> num_parts;  ///< ever, by lane
  std::map<int, std::vector<SplitChoice>> splits;  ///< by their number, until all came
};

/// One rank's end of a communicator.
struct NcclEnd {
  ~NcclEnd() {
    if (clique->end(rank) == this) clique->ends[static_cast<std::size_t>(rank)] = nullptr;
  }

  std::shared_ptr<Clique> clique;
  int rank = 0;
  int device = 0;
  ncclResult_t state = ncclInProgress;
  bool aborted = false;
  bool finalizing = false;
  std::string last_error;
  std::deque<Transfer*> transfers;  ///< called and not done, oldest first
  /// Called but not put on their streams yet, because a communicator that does not block does that
  /// behind the caller's back.
  std::vector<std::unique_ptr<Transfer>> launching;
  bool has_looked_at_launch = false;
  int num_splits = 0;
  ncclComm_t* split_target = nullptr;
  std::shared_ptr<NcclEnd> split_result;
};

/// "rank 1 of communicator 2 (4 ranks)".
[[nodiscard]] std::string name_of(const NcclEnd& end);
/// What `rank` does in `clique`, as a clause: "which is in ...", "which has nothing under way".
[[nodiscard]] std::string doing_of(const Clique& clique, int rank);

}  // namespace softmoe::gpu_emulation
