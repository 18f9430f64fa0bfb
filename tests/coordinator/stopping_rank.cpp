// One rank of a job that gets stuck where it is told to.
//
//     coordinator_stopping_rank RANK PHASE STEP HOW [softmoe train's key=value]...
//
// On rank RANK the thread that trains stops in the first PHASE it is found in from STEP on. With
// HOW `hang` the process goes on: its heartbeats say where it is. With `stop` it is stopped whole,
// as by SIGSTOP, once a heartbeat has gone out. Other ranks train until they are ended.

#include <pthread.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <string>
#include <thread>
#include <vector>

#include "launcher/run/launch_environment.h"
#include "launcher/run/training_run.h"

namespace softmoe::launcher {
namespace {

struct Order {
  Rank rank;
  std::string phase;
  std::int64_t step = 0;
  bool stops = false;
};

// A signal handler reaches nothing but what has static storage.
std::atomic<const Progress*> watched{nullptr};
std::atomic<std::int64_t> wanted_step{0};
std::atomic<int> wanted_phase{0};
std::atomic<bool> is_stuck{false};

/// In the thread that trains, so that where it is cannot change in between.
extern "C" void get_stuck_in_place(int) {
  const Progress::Place place = watched.load()->place();
  if (place.step.value < wanted_step.load()) return;
  if (static_cast<int>(place.phase) != wanted_phase.load()) return;
  is_stuck.store(true);
  for (;;) pause();
}

Phase phase_of(const std::string& name) {
  int phase = 0;
  while (phase < kNumPhases && name_of(static_cast<Phase>(phase)) != name) ++phase;
  return static_cast<Phase>(phase);
}

/// Knocks until the thread is where it is to get stuck.
void watch(const Order& order, pthread_t trainer) {
  while (!is_stuck.load()) {
    pthread_kill(trainer, SIGUSR2);
    std::this_thread::sleep_for(std::chrono::microseconds(200));
  }
  if (!order.stops) return;
  std::this_thread::sleep_for(std::chrono::milliseconds(500));
  raise(SIGSTOP);
}

int run(const Order& order, const std::vector<std::string>& overrides) {
  const LaunchEnvironment environment = read_environment(std::nullopt, lookup_environment);
  const auto loaded =
      load_run_config(config::Source::file("config.yaml"), overrides, environment.world());
  TrainingRun training(loaded, environment);
  if (Rank(environment.rank) == order.rank) {
    watched.store(&training.progress());
    wanted_step.store(order.step);
    wanted_phase.store(static_cast<int>(phase_of(order.phase)));
    std::signal(SIGUSR2, get_stuck_in_place);
    std::thread([&order, trainer = pthread_self()] { watch(order, trainer); }).detach();
  }
  return static_cast<int>(training.run());
}

}  // namespace
}  // namespace softmoe::launcher

int main(int argc, char** argv) {
  const softmoe::launcher::Order order{.rank = softmoe::Rank(std::stoi(argv[1])),
                                       .phase = argv[2],
                                       .step = std::stoll(argv[3]),
                                       .stops = std::string(argv[4]) == "stop"};
  return softmoe::launcher::run(order, {argv + 5, argv + argc});
}
