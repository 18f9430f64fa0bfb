#include "tests/coordinator/supervised_run.h"

#include <gtest/gtest.h>

#include <csignal>
#include <cstring>
#include <thread>

#include "tests/support/patience.h"

namespace softmoe::test {

using namespace std::chrono_literals;
using nlohmann::json;

namespace {

constexpr auto kLongestRun = 280s;

}  // namespace

CoordinatorProcess::CoordinatorProcess(const Workplace& place, int world, const Words& overrides)
    : program_(std::make_unique<RunningProgram>(
          place.alone(Words{"coordinator", "-c", "config.yaml", "--expect-world",
                            std::to_string(world), "coordinator.folder=coordinator"} +
                      overrides),
          kLongestRun)) {
  EXPECT_TRUE(program_->wait_for_output("serving ")) << program_->wait().output;
}

void CoordinatorProcess::kill() {
  program_->signal(SIGKILL);
  (void)program_->wait();
}

Ended CoordinatorProcess::end() {
  program_->signal(SIGTERM);
  return program_->wait();
}

Words standalone() {
  return {"coordinator.placement=standalone", "coordinator.folder=coordinator"};
}

Command supervised_train(const Workplace& place, int ranks, const std::string& run,
                         const Words& overrides) {
  return place.by_mpirun(
      ranks, Words{"train", "-c", "config.yaml", "run.folder=" + run} + standalone() + overrides);
}

Ended ctl(const Workplace& place, const std::string& verb, const Words& words) {
  return place.softmoe(Words{"ctl", verb, "coordinator"} + words);
}

std::optional<json> status_of(const Workplace& place) {
  const Ended ended = ctl(place, "status", {"--json"});
  if (ended.code != 0) return std::nullopt;
  return json::parse(ended.output);
}

json wait_for_status(const Workplace& place, const std::function<bool(const json&)>& is_wanted) {
  const auto deadline = std::chrono::steady_clock::now() + patience(90s);
  std::optional<json> status;
  while (std::chrono::steady_clock::now() < deadline) {
    status = status_of(place);
    if (status && is_wanted(*status)) return *status;
    std::this_thread::sleep_for(20ms);
  }
  ADD_FAILURE() << "the status never was as wanted; the last: "
                << (status ? status->dump(2) : "none");
  return {};
}

json wait_for_step(const Workplace& place, std::int64_t step) {
  return wait_for_status(
      place, [&](const json& status) { return status["last_record"].get<std::int64_t>() >= step; });
}

std::string weights_of(const std::filesystem::path& model) {
  const std::string file = read_file(model);
  std::uint64_t header_bytes = 0;
  EXPECT_GE(file.size(), sizeof header_bytes);
  std::memcpy(&header_bytes, file.data(), sizeof header_bytes);
  json header = json::parse(file.substr(sizeof header_bytes, header_bytes));
  header.erase("__metadata__");
  return header.dump() + file.substr(sizeof header_bytes + header_bytes);
}

}  // namespace softmoe::test
