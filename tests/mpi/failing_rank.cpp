// One rank of a job that goes wrong in a given way. It prints its process id at the start, and at
// the end what it was told; the exit code says how it left.

#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <string_view>
#include <thread>

#include "parallel/mpi/mpi_session.h"
#include "tests/support/on_device.h"
#include "tests/support/patience.h"

namespace {

using namespace softmoe;
using namespace std::chrono_literals;

constexpr int kCommErrorCode = 9;

/// Gathers for as long as the peers do.
void gather_forever(parallel::Communicator& communicator, test::OnDevice& device) {
  const View<std::byte> mine = device.upload(std::vector<std::byte>{std::byte{1}});
  const View<std::byte> all = device.saved.push<std::byte>(communicator.size());
  while (true) {
    communicator.all_gather(mine, all, device.stream);
    device.stream.synchronize();
  }
}

/// What rank 1 does while all others wait for it.
void fail(std::string_view way, parallel::Communicator& communicator) {
  if (way == "exit") _exit(7);
  if (way == "kill") ::kill(getpid(), SIGKILL);
  if (way == "throw") throw std::logic_error("out of ideas");
  if (way == "abort") communicator.abort();
  // Also the way of a rank that hangs: longer than anybody waits for it.
  std::this_thread::sleep_for(test::patience(20s));
}

void run(std::string_view way) {
  parallel::MpiSession session(
      {.comm = {.timeout = way == "hang" ? test::patience(2s) : test::patience(15s)}});
  const auto world = session.world();
  std::printf("pid %d\n", getpid());
  std::fflush(stdout);
  world->barrier();
  if (world->rank() == Rank(1)) fail(way, *world);
  try {
    test::OnDevice device(Backend::cpu, /*num_threads=*/1, Bytes(1 << 20));
    gather_forever(*world, device);
  } catch (const CommError& error) {
    // By write(): whole lines, however many ranks print at once.
    const std::string line = fmt::format("CommError {}\n", error.what());
    if (write(STDOUT_FILENO, line.data(), line.size()) < 0) _exit(1);
    // mpirun ends a job when its first rank leaves: give the others time to speak.
    std::this_thread::sleep_for(test::patience(1s));
    parallel::MpiSession::leave(kCommErrorCode);
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 1;
  try {
    run(argv[1]);
  } catch (const std::logic_error&) {
    std::this_thread::sleep_for(test::patience(1s));
    return 5;
  }
  return 0;
}
