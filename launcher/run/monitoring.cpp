#include "launcher/run/monitoring.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <filesystem>

#include "launcher/run/metrics_address.h"
#include "launcher/run/run_plan.h"
#include "launcher/run/texts_of_ranks.h"
#include "launcher/run/together.h"
#include "runtime/storage/atomic_file.h"
#include "runtime/storage/posix_file_system.h"

namespace softmoe::launcher {

namespace {

using training::RunState;

double unix_now() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

const char* name_of(Backend backend) {
  switch (backend) {
    case Backend::reference:
      return "reference";
    case Backend::cpu:
      return "cpu";
    case Backend::cuda:
      return "cuda";
  }
  return "?";
}

}  // namespace

Monitoring::Monitoring(const config::Loaded<RunConfig>& loaded, RankSession& session)
    : loaded_(loaded),
      config_(loaded.value),
      session_(session),
      run_id_(identity_of(loaded, session.world().size()).run_id) {
  const std::vector<std::string> hosts_W = texts_of_ranks(host_name(), session);
  listen(session, hosts_W);
  if (is_served()) gather_targets(session, hosts_W);
}

void Monitoring::listen(RankSession& session, const std::vector<std::string>& hosts_W) {
  const Rank rank = session.world().rank();
  metrics::MetricsEndpoint::Options options{
      .listen = "",
      .constant = {{"run", run_id_}, {"rank", std::to_string(rank.value)}},
      .is_ready = [this] { return is_ready_.load(); },
      .targets = nullptr,
  };
  if (session.is_root()) options.targets = [this] { return targets(); };
  together(session, [&] {
    if (is_served()) {
      options.listen = address_to_listen_at(config_.metrics.listen, local_rank(hosts_W, rank));
    }
    endpoint_.emplace(std::move(options));
    return 0;
  });
}

void Monitoring::gather_targets(RankSession& session, const std::vector<std::string>& hosts_W) {
  const auto me = static_cast<std::size_t>(session.world().rank().value);
  address_ = address_to_tell(endpoint_->address(), hosts_W[me]);
  const std::vector<std::string> addresses_W = texts_of_ranks(address_, session);
  std::vector<metrics::Target> targets;
  for (std::size_t rank = 0; rank < addresses_W.size(); ++rank) {
    targets.push_back({.address = addresses_W[rank],
                       .run = run_id_,
                       .role = "rank",
                       .rank = static_cast<int>(rank),
                       .host = hosts_W[rank]});
  }
  if (endpoint_->is_loopback()) {
    const auto here = std::count(hosts_W.begin(), hosts_W.end(), hosts_W.front());
    num_out_of_reach_ = static_cast<int>(std::ssize(hosts_W) - here);
  }
  const std::lock_guard lock(mutex_);
  targets_ = std::move(targets);
}

SupervisionMetrics Monitoring::for_supervision() {
  if (!is_served()) return {};
  return {.address = address_, .registry = session_.is_root() ? &registry() : nullptr};
}

std::vector<metrics::Target> Monitoring::targets() const {
  const std::lock_guard lock(mutex_);
  return targets_;
}

void Monitoring::begin(DType dtype, const training::RateContext& rates) {
  if (!is_served()) return;
  of_rank_.emplace(registry(), experts::row_traffic(config_.model.hidden, dtype), session_.work());
  if (session_.is_root()) {
    const coordinator::RunIdentity identity = identity_of(loaded_, session_.world().size());
    of_run_.emplace(training::RunMetrics::Parts{
        .registry = registry(),
        .config = config_.metrics,
        .shape = metrics_shape(config_),
        .facts = {.version = identity.version,
                  .config_hash = identity.config_hash,
                  .world = identity.world,
                  .expert_parallel = session_.groups().topology.expert_parallel,
                  .precision = std::string(softmoe::name_of(dtype)),
                  .backend = name_of(session_.device().backend()),
                  .sequences_per_step =
                      std::int64_t{config_.training.lanes} * config_.training.lane_sequences},
        .rates = rates,
        .unix_time = unix_now()});
  }
  endpoint_->mark_changed();
}

void Monitoring::publish(const storage::Path& run_folder) {
  if (!is_served() || !session_.is_root()) return;
  storage::PosixFileSystem files;
  storage::write_file(files, run_folder / "metrics_address", storage::bytes_of(address_ + "\n"));
  if (config_.metrics.targets_folder.empty()) return;
  targets_file_.emplace(config_.metrics.targets_folder,
                        fmt::format("softmoe-{}-{}", run_id_,
                                    std::filesystem::absolute(run_folder).filename().string()));
  targets_file_->update(targets());
}

std::string Monitoring::describe() const {
  if (!is_served()) return "metrics: not served (metrics.listen is empty)";
  std::string text = fmt::format("metrics: http://{}/metrics of rank 0; /sd lists {} ranks",
                                 address_, targets().size());
  if (num_out_of_reach_ > 0) {
    text += fmt::format(
        "; {} of them are on other hosts and only those can read their pages: set metrics.listen "
        "to an address that Prometheus can reach",
        num_out_of_reach_);
  }
  const std::string explained = training::explain_detail(metrics_shape(config_), config_.metrics);
  if (!explained.empty()) text += fmt::format("\nmetrics: {}", explained);
  return text;
}

void Monitoring::observe(const training::StepResult& result, const training::RateContext& rates) {
  if (!of_rank_) return;
  of_rank_->observe(result);
  if (of_run_) of_run_->observe(result, rates, unix_now());
  is_ready_ = true;
  endpoint_->mark_changed();
}

void Monitoring::observe(const training::Evaluation& evaluation) {
  if (!of_run_) return;
  of_run_->observe(evaluation);
  endpoint_->mark_changed();
}

void Monitoring::enter(RunState state) {
  if (!of_run_) return;
  of_run_->enter(state);
  endpoint_->mark_changed();
}

void Monitoring::finish() {
  if (!of_run_) return;
  of_run_->finish(unix_now());
  endpoint_->mark_changed();
}

}  // namespace softmoe::launcher
