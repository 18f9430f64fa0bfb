#pragma once

// For files of parallel/mpi only; others get one from MpiSession::world() and split().

#include <mpi.h>

#include <memory>
#include <string_view>
#include <vector>

#include "parallel/mpi/mpi_requests.h"
#include "parallel/mpi/mpi_world.h"
#include "parallel/peer_order.h"
#include "parallel/rank_group.h"

namespace softmoe::parallel {

/// One rank's end of a group of processes. Every operation is a set of non-blocking sends and
/// receives polled to a deadline, so a failure always names the peers that did not come.
class MpiCommunicator final : public Communicator {
 public:
  /// A group's own space of messages. Who holds one frees it.
  class Comm {
   public:
    enum class Ownership : std::uint8_t { borrowed, owned };
    Comm(MPI_Comm comm, Ownership ownership) : comm_(comm), ownership_(ownership) {}
    Comm(Comm&& other) noexcept : comm_(other.comm_), ownership_(other.ownership_) {
      other.ownership_ = Ownership::borrowed;
    }
    Comm& operator=(Comm&&) = delete;
    ~Comm() {
      if (ownership_ == Ownership::owned) MPI_Comm_free(&comm_);
    }
    /// Leaves it to the end of the process.
    void abandon() { ownership_ = Ownership::borrowed; }
    [[nodiscard]] MPI_Comm get() const { return comm_; }

   private:
    MPI_Comm comm_;
    Ownership ownership_;
  };

  MpiCommunicator(RankGroup group, Comm comm, std::shared_ptr<MpiWorld> world);
  ~MpiCommunicator() override;

  [[nodiscard]] Rank rank() const override { return group_.rank; }
  [[nodiscard]] int size() const override { return group_.size(); }
  void all_gather(View<const std::byte> mine, View<std::byte> all, Stream& stream) override;
  void broadcast(View<std::byte> data, Rank root, Stream& stream) override;
  void exchange(std::span<const SendMessage> sends, std::span<const ReceiveMessage> receives,
                Stream& stream) override;
  void barrier() override;
  [[nodiscard]] std::unique_ptr<Communicator> split(int color, int key) override;
  void abort() noexcept override;

 private:
  /// Operations never meet those of another name.
  struct Operation {
    std::string_view name;
    int tag;
  };
  static constexpr Operation kAllGather{"all_gather", 1};
  static constexpr Operation kBroadcast{"broadcast", 2};
  static constexpr Operation kExchange{"exchange", 3};
  static constexpr Operation kBarrier{"barrier", 4};
  static constexpr Operation kSplit{"split", 5};

  /// When a message has its turn, among those of an exchange.
  struct Turn {
    int place;  ///< of its peer
    std::size_t index;
  };

  void all_gather_now(View<const std::byte> mine, View<std::byte> all, Operation operation);
  void broadcast_now(View<std::byte> data, Rank root);
  void exchange_now(std::span<const SendMessage> sends, std::span<const ReceiveMessage> receives);
  /// turns_ := all messages but those to this rank itself, peer after peer.
  template <class Messages, class PeerOf>
  void order_by_peer(const Messages& messages, const PeerOf& peer_of);
  /// Calls visit(peer) with all of its messages in `parts`, for the peers of turns_.
  template <class Messages, class Part, class Visit>
  void for_each_peer(const Messages& messages, std::vector<Part>& parts, const Visit& visit);
  /// Runs `messages(requests_)`, which starts sends and receives, and polls until all have passed.
  template <class Messages>
  void run(Operation operation, Messages messages);
  void wait(const Waiting& waiting);

  RankGroup group_;
  Comm comm_;
  std::shared_ptr<MpiWorld> world_;
  PeerOrder order_;
  // Of the exchange that runs; kept for their memory alone.
  std::vector<Turn> turns_;
  std::vector<View<std::byte>> receive_parts_;
  std::vector<View<const std::byte>> send_parts_;
  MpiRequests requests_;
};

}  // namespace softmoe::parallel
