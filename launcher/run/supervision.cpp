#include "launcher/run/supervision.h"

#include <fmt/format.h>

#include <utility>

#include "budget/local_budget_link.h"
#include "coordinator/access.h"
#include "coordinator/endpoint.h"
#include "launcher/run/run_plan.h"
#include "launcher/run/texts_of_ranks.h"
#include "launcher/run/together.h"
#include "parallel/reduce.h"

namespace softmoe::launcher {

namespace {

using coordinator::Endpoint;
using coordinator::Placement;
using coordinator::Role;

constexpr std::chrono::seconds kFarewellPatience{2};

/// The same text on every rank: rank 0's.
std::string from_root(std::string text, RankSession& session) {
  parallel::Communicator& world = session.world();
  Stream& stream = session.work().exchange;
  auto length = static_cast<std::int64_t>(text.size());
  parallel::broadcast_on_host(std::as_writable_bytes(std::span(&length, 1)), Rank(0), world,
                              stream);
  text.resize(static_cast<std::size_t>(length));
  parallel::broadcast_on_host(std::as_writable_bytes(std::span(text)), Rank(0), world, stream);
  return text;
}

/// `{rank}` in the names of certificates, so that one configuration serves all ranks.
std::string for_rank(std::string path, Rank rank) {
  constexpr std::string_view kPlace = "{rank}";
  const std::size_t at = path.find(kPlace);
  return at == std::string::npos ? path
                                 : path.replace(at, kPlace.size(), std::to_string(rank.value));
}

std::string folder_in(const storage::Path& run_folder) {
  return (run_folder / "coordinator").string();
}

}  // namespace

Supervision::Supervision(const config::Loaded<RunConfig>& loaded, RankSession& session, Say say,
                         SupervisionMetrics metrics)
    : say_(std::move(say)), metrics_(std::move(metrics)), config_(loaded.value.coordinator) {
  const Rank rank = session.world().rank();
  config_.tls.certificate_file = for_rank(config_.tls.certificate_file, rank);
  config_.tls.key_file = for_rank(config_.tls.key_file, rank);
  if (config_.placement == Placement::embedded) {
    start_embedded(loaded, session);
  } else if (config_.placement == Placement::standalone) {
    connect(together(session, [&] { return coordinator::find_endpoint(config_, Role::rank); }),
            loaded, session);
  }
  if (line_ == nullptr) nobody_ = std::make_unique<budget::LocalBudgetLink>();
  link_ = line_ ? static_cast<budget::BudgetLink*>(line_.get()) : nobody_.get();
}

void Supervision::start_embedded(const config::Loaded<RunConfig>& loaded, RankSession& session) {
  // What goes wrong on rank 0 ends all ranks; nothing has been written yet.
  const bool started = together(session, [&] {
    if (!session.is_root()) return false;
    coordinator_.emplace(
        coordinator::Coordinator::Parts{.config = config_,
                                        .plan = plan_of(loaded, session.world().size()),
                                        .journal = nullptr,
                                        .log = [this](const std::string& line) { pass_on(line); }},
        coordinator::Clock::now());
    if (!config_.tls.is_given()) tokens_ = coordinator::draw_tokens();
    server_.emplace(
        *coordinator_,
        coordinator::Server::Options{
            .config = config_, .run_id = identity_of(loaded, 1).run_id, .tokens = tokens_});
    if (metrics_.registry != nullptr) {
      telemetry_.emplace(*metrics_.registry, *coordinator_, *server_);
    }
    return true;
  });
  const std::string address = from_root(started ? server_->address() : std::string(), session);
  const std::string token =
      from_root(tokens_ && tokens_->rank ? *tokens_->rank : std::string(), session);
  const std::string host = from_root(host_name(), session);
  Endpoint endpoint{.address = address, .tls = config_.tls};
  if (!token.empty()) endpoint.token = token;
  if (started) endpoint.in_process = &*server_;
  // A rank on another host cannot reach the loopback of rank 0's; describe() says what to do.
  const bool is_reachable = host == host_name() || !coordinator::is_on_loopback(address);
  num_cut_off_ = is_reachable ? 0 : 1;
  parallel::all_reduce_sum_on_host(std::span(&num_cut_off_, 1), session.world(),
                                   session.work().exchange);
  if (is_reachable) connect(std::move(endpoint), loaded, session);
}

void Supervision::connect(Endpoint endpoint, const config::Loaded<RunConfig>& loaded,
                          RankSession& session) {
  const bool is_root = session.is_root();
  const coordinator::RunPlan plan = plan_of(loaded, session.world().size());
  line_ = std::make_unique<coordinator::RankLine>(coordinator::RankLine::Parts{
      .endpoint = std::move(endpoint),
      .run = plan.identity,
      .rank = session.world().rank(),
      .progress = session.work().progress,
      .changes = plan.changes,
      .first_step = Step(0),
      .log = is_root ? say_ : Say(),
      .metrics_address = metrics_.address,
  });
}

void Supervision::publish(const storage::Path& run_folder) {
  has_begun_ = true;
  if (!server_) return;
  const std::string folder = folder_in(run_folder);
  coordinator::publish_address(folder, server_->address());
  if (tokens_) coordinator::write_tokens(storage::Path(folder) / "tokens", *tokens_);
}

std::string Supervision::describe() const {
  if (config_.placement == Placement::off) return "coordinator: none; the set-points stay";
  if (!server_) return "coordinator: a process of its own";
  std::string text = fmt::format("coordinator: in rank 0, at {}", server_->address());
  if (num_cut_off_ > 0) {
    text += fmt::format(
        "; {} ranks are on other hosts and cannot reach it: set coordinator.listen to an address "
        "that they can",
        num_cut_off_);
  }
  if (!server_->warning().empty()) text += "\nWARNING: " + server_->warning();
  return text;
}

void Supervision::pass_on(const std::string& line) const {
  if (has_begun_) say_("coordinator: " + line);
}

void Supervision::farewell(coordinator::Departure departure, const std::string& reason) {
  if (line_) line_->farewell(departure, reason, kFarewellPatience);
}

}  // namespace softmoe::launcher
