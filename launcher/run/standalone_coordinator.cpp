#include "launcher/run/standalone_coordinator.h"

#include <fmt/format.h>

#include <utility>

#include "coordinator/endpoint.h"
#include "coordinator/listen.h"
#include "coordinator/targets.h"
#include "runtime/base/errors.h"

namespace softmoe::launcher {

namespace {

using coordinator::Tokens;

/// The tokens that the folder holds from an earlier start, or new ones.
std::optional<Tokens> keep_tokens(const coordinator::CoordinatorConfig& config,
                                  storage::FileSystem& files) {
  if (config.tls.is_given() || config.insecure) return std::nullopt;
  const storage::Path path = coordinator::token_path(config);
  if (!files.exists(path)) coordinator::write_tokens(path, coordinator::draw_tokens());
  return coordinator::read_tokens(path);
}

/// The folder, made if need be.
storage::Path folder_of(const coordinator::CoordinatorConfig& config, storage::FileSystem& files) {
  files.make_directories(config.folder);
  return config.folder;
}

}  // namespace

StandaloneCoordinator::StandaloneCoordinator(const coordinator::CoordinatorConfig& config,
                                             coordinator::RunPlan plan, Say say)
    : config_(config),
      say_(std::move(say)),
      world_(plan.identity.world),
      journal_(files_, folder_of(config, files_)) {
  const std::string run_id = plan.identity.run_id;
  open_page(run_id);
  coordinator_.emplace(
      coordinator::Coordinator::Parts{
          .config = config_, .plan = std::move(plan), .journal = &journal_, .log = say_},
      coordinator::Clock::now());
  const std::optional<Tokens> tokens = keep_tokens(config_, files_);
  server_.emplace(*coordinator_, coordinator::Server::Options{
                                     .config = config_, .run_id = run_id, .tokens = tokens});
  if (!page_->address().empty()) {
    telemetry_.emplace(page_->registry(), *coordinator_, *server_);
    if (const auto place = parse_host_port(page_->address()))
      metrics_address_ = coordinator::for_others(*place).text();
  }
  is_ready_ = true;
  if (!config_.targets_folder.empty()) {
    targets_file_.emplace(config_.targets_folder, fmt::format("softmoe-{}-coordinator", run_id));
    targets_file_->update(targets());
  }
  coordinator::publish_address(config_.folder, server_->address());
  coordinator::publish_metrics_address(config_.folder, metrics_address_);
}

StandaloneCoordinator::~StandaloneCoordinator() {
  try {
    coordinator::publish_metrics_address(config_.folder, "");
  } catch (const std::exception& error) {
    say_(fmt::format("the address of the metrics stays behind: {}", error.what()));
  }
}

void StandaloneCoordinator::open_page(const std::string& run_id) {
  try {
    page_.emplace(metrics::MetricsEndpoint::Options{
        .listen = config_.metrics_listen,
        .constant = {{"run", run_id}},
        .is_ready = [this] { return is_ready_.load(); },
        .targets = [this] { return is_ready_ ? targets() : std::vector<metrics::Target>(); }});
  } catch (const ConfigError& error) {
    throw ConfigError(fmt::format("coordinator.metrics_listen: {}", error.what()));
  }
}

std::string StandaloneCoordinator::describe() const {
  return fmt::format(
      "serving {} ranks at {}; {}; folder {}", world_, server_->address(),
      metrics_address_.empty() ? "no metrics" : fmt::format("metrics at {}", metrics_address_),
      config_.folder);
}

void StandaloneCoordinator::keep_targets() {
  if (!targets_file_) return;
  try {
    targets_file_->update(targets());
    said_.clear();
  } catch (const StorageError& error) {
    if (said_ == error.what()) return;
    said_ = error.what();
    say_(fmt::format("coordinator.targets_folder: {}", said_));
  }
}

std::vector<metrics::Target> StandaloneCoordinator::targets() const {
  return coordinator::targets_of(coordinator_->status(coordinator::Clock::now()), metrics_address_);
}

}  // namespace softmoe::launcher
