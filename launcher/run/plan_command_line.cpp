#include <fmt/format.h>

#include "launcher/plan/fitting.h"
#include "launcher/run/parsed.h"
#include "runtime/base/errors.h"

namespace softmoe::launcher {

namespace {

/// @param most  inclusive; 0: none
CLI::Validator number_from(double least, double most) {
  return {[least, most](const std::string& text) {
            double number = 0;
            const bool is_number = CLI::detail::lexical_cast(text, number);
            const bool is_fine = is_number && number >= least && (most == 0 || number <= most);
            if (is_fine) return std::string();
            return most == 0
                       ? fmt::format("'{}' must be a number from {} on", text, least)
                       : fmt::format("'{}' must be a number from {} to {}", text, least, most);
          },
          ""};
}

CLI::Validator amount_of_memory() {
  return {[](const std::string& text) {
            try {
              (void)parse_bytes(text);
              return std::string();
            } catch (const InvalidArgument& error) {
              return std::string(error.what());
            }
          },
          ""};
}

}  // namespace

void add_plan(CLI::App& app, Parsed& parsed) {
  PlanOptions& options = parsed.plan;
  CLI::App* command = app.add_subcommand(
      "plan", "what a run will take: memory, time, traffic, files; starts nothing");
  command->add_option("-c,--config", options.config_path,
                      "YAML file; without it the defaults hold");
  command
      ->add_option("--ranks,--expect-world", options.expect_world,
                   "ranks of the run; else SLURM_NTASKS, else OMPI_COMM_WORLD_SIZE, else 1")
      ->check(number_from(1, 1 << 20));
  command
      ->add_option("--memory-per-rank", options.memory_per_rank,
                   "what a rank has, for instance 16GiB: a plan that does not fit fails")
      ->check(amount_of_memory());
  command
      ->add_option("--imbalance", options.imbalance,
                   "rows of the fullest rank over the mean rank's")
      ->check(number_from(1, 0))
      ->capture_default_str();
  command
      ->add_option("--efficiency", options.efficiency,
                   "share of the matrix-product rate that a step reaches, 0.01 to 1")
      ->check(number_from(0.01, 1));
  command
      ->add_option("--flops-per-rank", options.flops_per_rank,
                   "matrix-product rate of a rank, FLOP/s; without it that of this machine is "
                   "measured")
      ->check(number_from(1, 0));
  command->add_flag("--json", options.json, "one JSON object on one line");
  add_overrides(*command, options.overrides);
  command->footer(
      "Examples:\n"
      "  softmoe plan --config configs/demo.yaml --ranks 2\n"
      "  softmoe plan --config configs/demo.yaml --ranks 8 --memory-per-rank 16GiB "
      "training.lane_sequences=64\n"
      "  softmoe plan --config configs/demo.yaml --flops-per-rank 3e11 --efficiency 0.4 --json\n");
  command->callback([&parsed] { parsed.action = [&parsed] { return plan(parsed.plan); }; });
}

}  // namespace softmoe::launcher
