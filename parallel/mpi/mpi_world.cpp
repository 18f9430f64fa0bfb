#include "parallel/mpi/mpi_world.h"

#include <sched.h>

#include <algorithm>
#include <vector>

#include "parallel/mpi/mpi_error.h"
#include "runtime/base/deadline.h"
#include "runtime/base/narrow.h"

namespace softmoe::parallel {

namespace {

constexpr int kNoticeTag = 1;
constexpr std::chrono::milliseconds kNoticeTime{200};

}  // namespace

void MpiWorld::give_up(std::string_view reason) noexcept {
  if (has_failed) return;
  has_failed = true;
  const std::size_t length = std::min(reason.size(), reason_.size());
  std::copy_n(reason.data(), length, reason_.data());

  // Return codes are of no use here: whoever cannot be told is gone or has a deadline.
  std::vector<MPI_Request> requests;
  for (int peer = 0; peer < size; ++peer) {
    if (peer == rank.value) continue;
    MPI_Isend(reason_.data(), static_cast<int>(length), MPI_CHAR, peer, kNoticeTag, notices,
              &requests.emplace_back(MPI_REQUEST_NULL));
  }
  const Deadline deadline = Deadline::in(kNoticeTime);
  int all_sent = 0;
  while (all_sent == 0 && !deadline.passed()) {
    const int code = MPI_Testall(static_cast<int>(requests.size()), requests.data(), &all_sent,
                                 MPI_STATUSES_IGNORE);
    if (code != MPI_SUCCESS) return;
    sched_yield();
  }
}

void MpiWorld::look_for_notices(const Waiting& waiting) {
  int has_come = 0;
  MPI_Status status;
  check_mpi(MPI_Iprobe(MPI_ANY_SOURCE, kNoticeTag, notices, &has_come, &status), "MPI_Iprobe");
  if (has_come == 0) return;

  std::array<char, std::tuple_size_v<decltype(reason_)>> text{};
  int length = 0;
  check_mpi(MPI_Recv(text.data(), narrow<int>(text.size()), MPI_CHAR, status.MPI_SOURCE, kNoticeTag,
                     notices, &status),
            "MPI_Recv");
  check_mpi(MPI_Get_count(&status, MPI_CHAR, &length), "MPI_Get_count");
  has_failed = true;
  throw CommError(gave_up_text(waiting, Rank(status.MPI_SOURCE),
                               std::string_view(text.data(), static_cast<std::size_t>(length))));
}

void MpiWorld::check_alive(const Waiting& waiting) const {
  if (has_failed) throw CommError(gave_up_text(waiting, rank, "an operation before failed"));
}

}  // namespace softmoe::parallel
