#include "parallel/mpi/mpi_requests.h"

#include <algorithm>

#include "parallel/mpi/mpi_error.h"
#include "runtime/base/narrow.h"

namespace softmoe::parallel {

namespace {

/// Calls `visit(part)` for the pieces of a message, in order.
template <class Byte, class Visit>
void for_each_piece(View<Byte> data, std::int64_t max_bytes, Visit visit) {
  for (std::int64_t begin = 0; begin < data.size(); begin += max_bytes)
    visit(data.part(begin, std::min(begin + max_bytes, data.size())));
}

}  // namespace

void MpiRequests::begin(Channel channel, const Waiting& waiting) {
  channel_ = channel;
  waiting_ = &waiting;
  requests_.clear();
  parts_.clear();
  num_done_ = 0;
  pending_bytes_ = 0;
}

void MpiRequests::receive(const ReceiveMessage& message) {
  for_each_piece(message.data, channel_.max_message_bytes, [&](View<std::byte> piece) {
    MPI_Request& request = add(message.from, Direction::receive, piece.size());
    check_mpi(MPI_Irecv(piece.data(), narrow<int>(piece.size()), MPI_BYTE, message.from.value,
                        channel_.tag, channel_.comm, &request),
              "MPI_Irecv");
  });
}

void MpiRequests::send(const SendMessage& message) {
  for_each_piece(message.data, channel_.max_message_bytes, [&](View<const std::byte> piece) {
    MPI_Request& request = add(message.to, Direction::send, piece.size());
    check_mpi(MPI_Isend(piece.data(), narrow<int>(piece.size()), MPI_BYTE, message.to.value,
                        channel_.tag, channel_.comm, &request),
              "MPI_Isend");
  });
}

bool MpiRequests::poll() {
  if (num_done_ == requests_.size()) return true;
  done_.resize(requests_.size());
  statuses_.resize(requests_.size());
  int count = 0;
  const int code = MPI_Testsome(narrow<int>(requests_.size()), requests_.data(), &count,
                                done_.data(), statuses_.data());
  if (code != MPI_ERR_IN_STATUS) check_mpi(code, "MPI_Testsome");
  for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i) {
    const auto index = static_cast<std::size_t>(done_[i]);
    // Error fields are only written when the call says so.
    if (code == MPI_ERR_IN_STATUS) check_mpi(statuses_[i].MPI_ERROR, "MPI_Testsome");
    check_part(index, statuses_[i]);
    pending_bytes_ -= parts_[index].bytes;
  }
  num_done_ += static_cast<std::size_t>(count);
  return num_done_ == requests_.size();
}

std::vector<Rank> MpiRequests::pending_peers() const {
  std::vector<Rank> peers;
  for (std::size_t i = 0; i < requests_.size(); ++i) {
    if (requests_[i] != MPI_REQUEST_NULL) peers.push_back(parts_[i].peer);
  }
  std::sort(peers.begin(), peers.end());
  peers.erase(std::unique(peers.begin(), peers.end()), peers.end());
  return peers;
}

MPI_Request& MpiRequests::add(Rank peer, Direction direction, std::int64_t bytes) {
  parts_.push_back({peer, direction, bytes});
  pending_bytes_ += bytes;
  return requests_.emplace_back(MPI_REQUEST_NULL);
}

void MpiRequests::check_part(std::size_t index, const MPI_Status& status) const {
  const Part& part = parts_[index];
  if (part.direction == Direction::send) return;
  int received = 0;
  check_mpi(MPI_Get_count(&status, MPI_BYTE, &received), "MPI_Get_count");
  if (received != part.bytes)
    throw CommError(size_text(*waiting_, part.peer, part.bytes, received));
}

}  // namespace softmoe::parallel
