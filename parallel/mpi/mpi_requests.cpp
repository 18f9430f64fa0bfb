#include "parallel/mpi/mpi_requests.h"

#include <algorithm>

#include "parallel/mpi/mpi_error.h"
#include "runtime/base/narrow.h"

namespace softmoe::parallel {

void MpiRequests::begin(Channel channel, const Waiting& waiting) {
  channel_ = channel;
  waiting_ = &waiting;
  requests_.clear();
  parts_.clear();
  free_types();
  num_done_ = 0;
  pending_bytes_ = 0;
}

void MpiRequests::receive(Rank from, std::span<const View<std::byte>> parts) {
  blocks_.clear();
  for (const View<std::byte>& part : parts) append(part.data(), part.size(), blocks_);
  start(from, Direction::receive);
}

void MpiRequests::send(Rank to, std::span<const View<const std::byte>> parts) {
  blocks_.clear();
  // MPI reads only what it sends; both directions share what follows.
  for (const View<const std::byte>& part : parts)
    append(const_cast<std::byte*>(part.data()), part.size(), blocks_);
  start(to, Direction::send);
}

void MpiRequests::append(std::byte* begin, std::int64_t bytes, std::vector<Block>& to) const {
  if (bytes == 0) return;
  if (!to.empty() && to.back().begin + to.back().bytes == begin) {
    to.back().bytes += bytes;
  } else {
    to.push_back({begin, bytes});
  }
}

void MpiRequests::start(Rank peer, Direction direction) {
  piece_.clear();
  std::int64_t filled = 0;
  for (const Block& block : blocks_) {
    for (std::int64_t begin = 0; begin < block.bytes;) {
      const std::int64_t bytes = std::min(block.bytes - begin, channel_.max_message_bytes - filled);
      append(block.begin + begin, bytes, piece_);
      begin += bytes;
      filled += bytes;
      if (filled < channel_.max_message_bytes) continue;
      start_piece(peer, direction, filled);
      piece_.clear();
      filled = 0;
    }
  }
  if (filled > 0) start_piece(peer, direction, filled);
}

void MpiRequests::start_piece(Rank peer, Direction direction, std::int64_t bytes) {
  MPI_Request& request = add(peer, direction, bytes);
  std::byte* const first = piece_.front().begin;
  const bool is_one_block = piece_.size() == 1;
  const int count = is_one_block ? narrow<int>(bytes) : 1;
  MPI_Datatype type = is_one_block ? MPI_BYTE : type_of_piece();
  if (direction == Direction::receive) {
    check_mpi(MPI_Irecv(first, count, type, peer.value, channel_.tag, channel_.comm, &request),
              "MPI_Irecv");
  } else {
    check_mpi(MPI_Isend(first, count, type, peer.value, channel_.tag, channel_.comm, &request),
              "MPI_Isend");
  }
}

MPI_Datatype MpiRequests::type_of_piece() {
  lengths_.clear();
  places_.clear();
  for (const Block& block : piece_) {
    lengths_.push_back(narrow<int>(block.bytes));
    places_.push_back(block.begin - piece_.front().begin);
  }
  MPI_Datatype& type = types_.emplace_back(MPI_DATATYPE_NULL);
  check_mpi(MPI_Type_create_hindexed(narrow<int>(std::ssize(lengths_)), lengths_.data(),
                                     places_.data(), MPI_BYTE, &type),
            "MPI_Type_create_hindexed");
  check_mpi(MPI_Type_commit(&type), "MPI_Type_commit");
  return type;
}

void MpiRequests::free_types() {
  for (MPI_Datatype& type : types_) MPI_Type_free(&type);
  types_.clear();
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
