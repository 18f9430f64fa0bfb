#include "launcher/run/parsed.h"

namespace softmoe::launcher {

namespace {

void add_slurm(CLI::App& submit, Parsed& parsed) {
  SubmitSlurmOptions& options = parsed.submit_slurm;
  SlurmOrder& order = options.order;
  CLI::App* command = submit.add_subcommand("slurm", "train on the nodes of a Slurm cluster");
  command->add_option("-c,--config", order.config_path, "YAML file")->required();
  command->add_option("--nodes", order.nodes, "nodes of the job")->required();
  command->add_option("--ranks-per-node", order.ranks_per_node,
                      "ranks on each; else the site's, else one for each GPU");
  command->add_option("--cpus-per-rank", order.cpus_per_rank,
                      "processors of a rank; else runtime.threads");
  command->add_option("--gpus-per-node", order.gpus_per_node, "GPUs on each node; else the site's");
  command->add_option("--time", order.time, "longest time, as sbatch reads it; else the site's");
  command->add_option("--partition", order.partition, "else the site's, else the cluster's");
  command->add_option("--name", order.name, "of the job and its folder; else softmoe");
  command->add_option("--runs", order.runs, "folder for runs that all nodes share; else runs");
  command->add_option("--site", options.site,
                      "site values; else site.env here, else beside the batch script");
  command->add_option("--template", options.batch_script,
                      "batch script; else deploy/slurm/train.sbatch of this program");
  command->add_flag("--dry-run", options.is_dry_run)
      ->description("look, print command and script, and change nothing");
  add_overrides(*command, order.overrides);
  command->footer(
      "Examples:\n"
      "  softmoe submit slurm --config run.yaml --nodes 4 --gpus-per-node 8 --time 12:00:00\n"
      "  softmoe submit slurm --config run.yaml --nodes 2 --dry-run training.steps=100\n");
  command->callback(
      [&parsed] { parsed.action = [&parsed] { return submit_to_slurm(parsed.submit_slurm); }; });
}

}  // namespace

void add_submit(CLI::App& app, Parsed& parsed) {
  CLI::App* submit = app.add_subcommand("submit", "hand a run to a cluster");
  submit->require_subcommand(0, 1);
  add_slurm(*submit, parsed);
  add_submit_kubernetes(*submit, parsed);
}

}  // namespace softmoe::launcher
