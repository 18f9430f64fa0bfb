#include <nlohmann/json.hpp>

#include "launcher/plan/plan_report.h"

namespace softmoe::launcher {

namespace {

using nlohmann::json;

json memory_json(const MemoryEstimate& memory, std::int64_t program) {
  return {{"weights", memory.weights},
          {"gradients", memory.gradients},
          {"optimizer", memory.optimizer},
          {"saved", memory.saved},
          {"scratch", memory.scratch},
          {"exchange", memory.exchange},
          {"data", memory.data},
          {"results", memory.results},
          {"program", program},
          {"total", memory.total() + program},
          {"saved_arena", memory.saved_arena},
          {"scratch_arena", memory.scratch_arena}};
}

json choices_json(const MemoryChoices& choices) {
  const auto receive = [](const ReceiveEstimate& of) {
    return json{{"rows", of.rows}, {"waves", of.waves}, {"rows_at_once", of.rows_at_once()}};
  };
  return {
      {"received",
       {{"balanced", receive(choices.balanced)},
        {"fullest", receive(choices.fullest)},
        {"bound_that_fits", choices.bound_that_fits ? json(*choices.bound_that_fits) : json()}}},
      {"recompute", model::name_of(choices.recompute)},
      {"with_other_recompute",
       {{"recompute", model::name_of(choices.other)},
        {"balanced", choices.other_balanced},
        {"fullest", choices.other_fullest}}}};
}

json corpus_json(const PlanReport& report) {
  if (!report.corpus) return nullptr;
  return {{"training_tokens", report.corpus->training_tokens},
          {"validation_tokens", report.corpus->validation_tokens},
          {"passes", static_cast<double>(report.work.tokens) /
                         static_cast<double>(report.corpus->training_tokens)}};
}

json time_json(const PlanReport& report) {
  const SpeedBasis& speed = report.speed;
  return {{"flops_per_rank", speed.flops_per_rank},
          {"flops_per_rank_from", speed.is_measured ? "measured" : "given"},
          {"efficiency", speed.efficiency},
          {"efficiency_from", speed.is_assumed ? "assumed" : "given"},
          {"seconds_per_step", report.seconds_per_step()},
          {"seconds", report.seconds_per_step() * static_cast<double>(report.steps)}};
}

json page_json(const PageSize& page) {
  if (!page.is_served) return nullptr;
  return {{"series", page.series}, {"expert_detail", training::name_of(page.detail)}};
}

}  // namespace

std::string plan_json(const PlanReport& report) {
  const WorkEstimate& work = report.work;
  const TrafficEstimate& traffic = report.traffic;
  json object = {
      {"config", report.config},
      {"world", report.basis.world},
      {"expert_parallel", report.expert_parallel},
      {"parameters",
       {{"total", work.parameters.total()},
        {"experts", work.parameters.experts},
        {"per_expert", work.parameters.per_expert},
        {"active", work.active_parameters}}},
      {"budget", report.budget},
      {"memory_bytes",
       {{"balanced", memory_json(report.balanced, report.limit.program)},
        {"fullest", memory_json(report.fullest, report.limit.program)},
        {"imbalance", report.basis.imbalance},
        {"limit", report.limit.bytes ? json(*report.limit.bytes) : json()}}},
      {"memory_choices", choices_json(report.choices)},
      {"tokens", {{"step", work.tokens_per_step}, {"run", work.tokens}, {"steps", report.steps}}},
      {"corpus", corpus_json(report)},
      {"flops", {{"step", work.flops_per_step}, {"run", work.flops}}},
      {"time", time_json(report)},
      {"sent_bytes_per_step",
       {{"alltoall", traffic.alltoall},
        {"rows_off_rank", traffic.rows_off_rank},
        {"counts", traffic.counts},
        {"reduce_scatter", traffic.reduce_scatter},
        {"all_gather", traffic.all_gather}}},
      {"metrics_page", page_json(report.page)},
      {"model_file_bytes", report.model_file_bytes},
      {"fits", !report.refusal.has_value()}};
  if (report.refusal) object["refusal"] = *report.refusal;
  return object.dump();
}

}  // namespace softmoe::launcher
