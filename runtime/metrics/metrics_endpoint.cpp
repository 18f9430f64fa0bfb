#include "runtime/metrics/metrics_endpoint.h"

#include <optional>
#include <utility>

#include "runtime/metrics/exposition.h"
#include "runtime/metrics/http_server.h"
#include "runtime/metrics/process_metrics.h"

namespace softmoe::metrics {
namespace {

/// The endpoint's own numbers.
class OwnSeries {
 public:
  explicit OwnSeries(Registry& registry)
      : series_(registry.gauge({.name = "softmoe_metrics_series", .help = "Series on this page"})),
        page_seconds_(registry.gauge(
            {.name = "softmoe_metrics_page_seconds", .help = "Time that the page took to make"})),
        served_(registry.counter(requests(), {"served"})),
        refused_(registry.counter(requests(), {"refused"})) {}

  void set_series(std::int64_t count) { series_.set(static_cast<double>(count)); }
  void set_page_seconds(double seconds) { page_seconds_.set(seconds); }
  void set_requests(const HttpServer::Counts& counts) {
    served_.add(static_cast<double>(counts.served) - served_.value());
    refused_.add(static_cast<double>(counts.refused) - refused_.value());
  }

 private:
  static Family requests() {
    return {.name = "softmoe_http_requests_total",
            .kind = Kind::counter,
            .labels = {"result"},
            .help = "Requests of the listener"};
  }

  Gauge series_;
  Gauge page_seconds_;
  Counter served_;
  Counter refused_;
};

HttpPage text_page(int status, std::string text) {
  return {.status = status, .body = std::make_shared<const std::string>(std::move(text))};
}

}  // namespace

struct MetricsEndpoint::State {
  explicit State(Options given);
  ~State();

  [[nodiscard]] std::map<std::string, HttpServer::Handler> pages();
  void refresh_own_numbers();

  Options options;
  Registry registry;
  OwnSeries own;
  // Last: the listener's thread asks for the page, and the page's thread for the registry.
  std::optional<Exposition> exposition;
  std::optional<HttpServer> server;
};

MetricsEndpoint::State::State(Options given)
    : options(std::move(given)), registry(options.constant), own(registry) {
  add_process_metrics(registry);
  own.set_series(registry.num_series());
  if (options.listen.empty()) return;
  exposition.emplace(registry);
  server.emplace(HttpServer::Options{.listen = options.listen, .pages = pages()});
  registry.on_page([this] { refresh_own_numbers(); });
}

MetricsEndpoint::State::~State() {
  // Pages count the listener's requests, so the last page comes before the listener's end.
  if (exposition) exposition->stop();
}

void MetricsEndpoint::State::refresh_own_numbers() {
  own.set_series(registry.num_series());
  own.set_page_seconds(exposition->page_seconds());
  own.set_requests(server->counts());
}

std::map<std::string, HttpServer::Handler> MetricsEndpoint::State::pages() {
  std::map<std::string, HttpServer::Handler> pages;
  pages["/metrics"] = [this] {
    // An old page would look like a run that stands still.
    if (!exposition->failure().empty()) return text_page(500, "the page could not be made\n");
    return HttpPage{.content_type = kPageContentType, .body = exposition->page()};
  };
  pages["/livez"] = [] { return text_page(200, "ok\n"); };
  pages["/readyz"] = [this] {
    const bool is_ready = !options.is_ready || options.is_ready();
    return is_ready ? text_page(200, "ready\n") : text_page(503, "not ready\n");
  };
  if (options.targets) {
    pages["/sd"] = [this] {
      HttpPage page = text_page(200, targets_json(options.targets()));
      page.content_type = "application/json";
      return page;
    };
  }
  return pages;
}

MetricsEndpoint::MetricsEndpoint(Options options)
    : state_(std::make_unique<State>(std::move(options))) {}

MetricsEndpoint::~MetricsEndpoint() = default;

Registry& MetricsEndpoint::registry() {
  return state_->registry;
}

void MetricsEndpoint::mark_changed() {
  if (state_->exposition) state_->exposition->mark_changed();
}

std::string MetricsEndpoint::address() const {
  return state_->server ? state_->server->address() : "";
}

bool MetricsEndpoint::is_loopback() const {
  return !state_->server || state_->server->is_loopback();
}

}  // namespace softmoe::metrics
