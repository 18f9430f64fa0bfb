#include "bench/simulated_cluster/simulated_mpi.h"

// What the simulated MPI does otherwise than a real one, put right where the trainer's code calls
// it; parallel/mpi itself is compiled as it is. MPI's profiling interface lets a program stand in
// for a call: the library's own has a P before its name.
//
// The trainer starts all messages of an exchange and asks again and again until they have passed.
// Simulated time does not pass between two questions, so the answer comes when all have: polling
// without pause. And a network card does not put all of them on the wire at once: those of a link
// leave one behind the other, in the order in which they were started, at the rate of the link.
// What the receiver cannot take as fast is under way beside the next.

#include <mpi.h>

#include <algorithm>
#include <array>
#include <simgrid/s4u/Actor.hpp>
#include <simgrid/s4u/Engine.hpp>
#include <unordered_map>
#include <vector>

#include "bench/simulated_cluster/cluster.h"

namespace {

using softmoe::bench::Cluster;

struct PreparedSend {
  int from = 0;
  int to = 0;
  double bytes = 0;
};

/// Sends that were asked for and have not begun. Of all ranks: they share a thread.
std::unordered_map<MPI_Request, PreparedSend>& prepared_sends() {
  static std::unordered_map<MPI_Request, PreparedSend> sends;
  return sends;
}

const Cluster& cluster() {
  static const Cluster cluster = Cluster::from_environment();
  return cluster;
}

std::unordered_map<int, softmoe::bench::Sent>& sent_by_ranks() {
  static std::unordered_map<int, softmoe::bench::Sent> sent;
  return sent;
}

/// When a message leaves.
struct Departure {
  double time = 0;
  int index = 0;  ///< of the request
};

/// In the order of time. A rank's link to its node and the one beyond work at once.
std::vector<Departure> departures(const MPI_Request* requests, const std::vector<int>& sends) {
  const double now = simgrid::s4u::Engine::get_clock();
  std::array<double, 2> link_is_free = {now, now};
  std::vector<Departure> departures;
  for (const int i : sends) {
    const PreparedSend& send = prepared_sends().at(requests[i]);
    double& free = link_is_free[cluster().share_node(send.from, send.to) ? 0 : 1];
    departures.push_back({free, i});
    free += cluster().message_seconds + send.bytes / cluster().rate_between(send.from, send.to);
  }
  std::stable_sort(departures.begin(), departures.end(),
                   [](const Departure& a, const Departure& b) { return a.time < b.time; });
  return departures;
}

int send_all(MPI_Request* requests, const std::vector<int>& sends) {
  std::vector<MPI_Request> under_way;
  for (const Departure& departure : departures(requests, sends)) {
    if (departure.time > simgrid::s4u::Engine::get_clock())
      simgrid::s4u::this_actor::sleep_until(departure.time);
    under_way.push_back(requests[departure.index]);
    const int code = PMPI_Start(&under_way.back());
    if (code != MPI_SUCCESS) return code;
  }
  const int code =
      PMPI_Waitall(static_cast<int>(under_way.size()), under_way.data(), MPI_STATUSES_IGNORE);
  for (const int i : sends) {
    prepared_sends().erase(requests[i]);
    PMPI_Request_free(&requests[i]);
  }
  return code;
}

}  // namespace

softmoe::bench::Sent softmoe::bench::sent_by(int rank) {
  return sent_by_ranks()[rank];
}

/// SimGrid names the lowest level, since its ranks share a thread; ours have none beside their own.
int MPI_Init_thread(int* argc, char*** argv, int required, int* provided) {
  const int code = PMPI_Init_thread(argc, argv, required, provided);
  *provided = required;
  return code;
}

/// Only prepares the message.
int MPI_Isend(const void* data, int count, MPI_Datatype type, int to, int tag, MPI_Comm comm,
              MPI_Request* request) {
  const int code = PMPI_Send_init(data, count, type, to, tag, comm, request);
  int from = 0;
  PMPI_Comm_rank(comm, &from);
  int size = 0;
  PMPI_Type_size(type, &size);
  prepared_sends()[*request] = {from, to, static_cast<double>(size) * count};
  sent_by_ranks()[from].bytes += static_cast<std::int64_t>(size) * count;
  ++sent_by_ranks()[from].messages;
  return code;
}

/// Returns when all messages have passed.
int MPI_Testsome(int count, MPI_Request* requests, int* num_done, int* done, MPI_Status* statuses) {
  std::vector<int> sends;
  std::vector<int> receives;
  std::vector<MPI_Request> receiving;
  for (int i = 0; i < count; ++i) {
    if (requests[i] == MPI_REQUEST_NULL) continue;
    if (prepared_sends().contains(requests[i])) {
      sends.push_back(i);
    } else {
      receives.push_back(i);
      receiving.push_back(requests[i]);
    }
  }
  int code = send_all(requests, sends);
  std::vector<MPI_Status> received(receiving.size());
  if (code == MPI_SUCCESS)
    code = PMPI_Waitall(static_cast<int>(receiving.size()), receiving.data(), received.data());

  *num_done = 0;
  const auto tell = [&](int index, const MPI_Status& status) {
    done[*num_done] = index;
    statuses[(*num_done)++] = status;
  };
  for (const int i : sends) tell(i, {});
  for (std::size_t i = 0; i < receives.size(); ++i) {
    tell(receives[i], received[i]);
    requests[receives[i]] = MPI_REQUEST_NULL;
  }
  return code;
}
