#include <fmt/format.h>

#include <iterator>

#include "launcher/plan/plan_report.h"
#include "training/telemetry.h"

namespace softmoe::launcher {

namespace {

/// A table of names and texts under headings.
class Page {
 public:
  void heading(std::string_view text) { add("\n{}\n", text); }
  void line(std::string_view name, std::string_view text) { add("  {:<22}{}\n", name, text); }
  void memory(std::string_view name, std::int64_t balanced, std::int64_t fullest) {
    add("  {:<22}{:>12}{:>16}\n", name, bytes_text(static_cast<double>(balanced)),
        bytes_text(static_cast<double>(fullest)));
  }
  template <class... Values>
  void add(fmt::format_string<Values...> format, Values&&... values) {
    fmt::format_to(std::back_inserter(text_), format, std::forward<Values>(values)...);
  }
  [[nodiscard]] std::string text() && { return std::move(text_); }

 private:
  std::string text_;
};

std::string millions(std::int64_t count) {
  constexpr std::int64_t kBillion = 1'000'000'000;
  if (count >= kBillion) return fmt::format("{:.2f} B", static_cast<double>(count) * 1e-9);
  return fmt::format("{:.2f} M", static_cast<double>(count) * 1e-6);
}

void add_model(const PlanReport& report, Page& page) {
  const model::ParameterCounts& counts = report.work.parameters;
  page.heading("model");
  page.line("parameters",
            fmt::format("{}, {} of them in {} experts of {} layers", millions(counts.total()),
                        millions(counts.experts), report.num_experts, report.moe_layers));
  page.line("active per token",
            fmt::format("{} at a budget of {:.2f} experts", millions(report.work.active_parameters),
                        report.budget));
  page.line("model file", bytes_text(static_cast<double>(report.model_file_bytes)));
}

std::string received_text(const ReceiveEstimate& receive) {
  if (receive.waves == 1) return fmt::format("{} at once", receive.rows);
  return fmt::format("{} in {} waves of at most {}", receive.rows, receive.waves,
                     receive.rows_at_once());
}

void add_choices(const PlanReport& report, Page& page) {
  const MemoryChoices& choices = report.choices;
  page.line("rows of a layer, lane",
            fmt::format("{}; the fullest rank {}", received_text(choices.balanced),
                        received_text(choices.fullest)));
  page.line("recompute",
            fmt::format("{}; with training.recompute={} the sums are {} and {}",
                        model::name_of(choices.recompute), model::name_of(choices.other),
                        bytes_text(static_cast<double>(choices.other_balanced)),
                        bytes_text(static_cast<double>(choices.other_fullest))));
  if (!choices.bound_that_fits) return;
  page.line("waves that fit",
            fmt::format("parallel.max_received_rows={}", *choices.bound_that_fits));
}

void add_memory(const PlanReport& report, Page& page) {
  const MemoryEstimate& a = report.balanced;
  const MemoryEstimate& b = report.fullest;
  page.heading("memory of rank 0, which has the most");
  page.add("  {:<22}{:>12}{:>16}\n", "", "balanced",
           fmt::format("{:.2f} x the rows", report.basis.imbalance));
  page.memory("weights", a.weights, b.weights);
  page.memory("gradients", a.gradients, b.gradients);
  page.memory("optimizer", a.optimizer, b.optimizer);
  page.memory("saved activations", a.saved, b.saved);
  page.memory("scratch", a.scratch, b.scratch);
  page.memory("exchange buffers", a.exchange, b.exchange);
  page.memory("data", a.data, b.data);
  page.memory("results", a.results, b.results);
  page.memory("program, libraries", report.limit.program, report.limit.program);
  page.memory("sum", a.total() + report.limit.program, b.total() + report.limit.program);
  if (report.limit.bytes) {
    page.memory("given", *report.limit.bytes, *report.limit.bytes);
  }
  add_choices(report, page);
  page.line(
      "address space",
      fmt::format("{} and {} of the arenas' {}", bytes_text(static_cast<double>(b.saved_arena)),
                  bytes_text(static_cast<double>(b.scratch_arena)), "runtime.arena_bytes"));
}

void add_data(const PlanReport& report, Page& page) {
  page.heading("data");
  page.line("tokens", fmt::format("{} a step, {} in {} steps", report.work.tokens_per_step,
                                  training::short_count(static_cast<double>(report.work.tokens)),
                                  report.steps));
  if (!report.corpus) {
    page.line("corpus", report.no_corpus);
    return;
  }
  page.line("corpus",
            fmt::format("{} tokens to train on, {} for validation", report.corpus->training_tokens,
                        report.corpus->validation_tokens));
  page.line("passes over it",
            fmt::format("{:.3f}", static_cast<double>(report.work.tokens) /
                                      static_cast<double>(report.corpus->training_tokens)));
}

void add_time(const PlanReport& report, Page& page) {
  const SpeedBasis& speed = report.speed;
  const double seconds = report.seconds_per_step();
  page.heading("work and time");
  page.line("matrix products", fmt::format("{:.3e} FLOP a step, {:.3e} in all",
                                           report.work.flops_per_step, report.work.flops));
  page.line("rate of a rank",
            fmt::format("{:.1f} GFLOP/s, {}", speed.flops_per_rank * 1e-9,
                        speed.is_measured ? "measured here with this process alone"
                                          : "as given (--flops-per-rank)"));
  page.line("efficiency",
            fmt::format("{:.2f}, {}", speed.efficiency,
                        speed.is_assumed ? "assumed: give that of your machine (--efficiency), it "
                                           "is the MFU in a run's progress lines"
                                         : "as given (--efficiency)"));
  page.line("time",
            fmt::format("{:.3g} s a step, {} in all, evaluations not counted", seconds,
                        training::short_duration(seconds * static_cast<double>(report.steps))));
}

void add_traffic(const PlanReport& report, Page& page) {
  const TrafficEstimate& traffic = report.traffic;
  page.heading("sent by a rank in a step");
  page.line("rows of experts", fmt::format("{}: {:.0f} rows to other ranks and back, twice",
                                           bytes_text(traffic.alltoall), traffic.rows_off_rank));
  page.line("counts of rows", bytes_text(static_cast<double>(traffic.counts)));
  page.line("sums of gradients", bytes_text(static_cast<double>(traffic.reduce_scatter)));
  page.line("new weights", bytes_text(static_cast<double>(traffic.all_gather)));
}

void add_files(const PlanReport& report, Page& page) {
  page.heading("files of the run folder");
  page.line("config.yaml", "the configuration with the origin of every value");
  page.line("metrics.jsonl", fmt::format("a line a step: {}", report.steps));
  page.line("control.jsonl", "a line a step: the word that it ran under");
  page.line("events.jsonl", "starts, evaluations, saves");
  page.line("metrics_address", "where rank 0 serves its metrics");
  page.line("coordinator/", "address and tokens of an embedded coordinator");
  page.line("model.safetensors", bytes_text(static_cast<double>(report.model_file_bytes)));
}

void add_page(const PlanReport& report, Page& page) {
  page.heading("metrics");
  if (!report.page.is_served) {
    page.line("page of rank 0", "not served");
    return;
  }
  page.line("page of rank 0", fmt::format("{} series, expert detail {}", report.page.series,
                                          training::name_of(report.page.detail)));
  if (!report.page.note.empty()) page.line("", report.page.note);
}

}  // namespace

std::string plan_text(const PlanReport& report) {
  Page page;
  page.add("{} on {} rank{}, experts over {}\n", report.config, report.basis.world,
           report.basis.world == 1 ? "" : "s", report.expert_parallel);
  add_model(report, page);
  add_memory(report, page);
  add_data(report, page);
  add_time(report, page);
  add_traffic(report, page);
  add_page(report, page);
  add_files(report, page);
  return std::move(page).text();
}

}  // namespace softmoe::launcher
