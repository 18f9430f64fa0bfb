#include "launcher/submit/slurm_job.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <string_view>

#include "runtime/base/errors.h"

namespace softmoe::launcher {

namespace {

/// What train.sbatch sets itself, attempt by attempt.
constexpr std::array<std::string_view, 3> kOfTheJob = {"run.folder", "coordinator.placement",
                                                       "coordinator.folder"};

void check_overrides(const std::vector<std::string>& overrides) {
  for (const std::string& override : overrides) {
    const std::string_view key = std::string_view(override).substr(0, override.find('='));
    if (std::find(kOfTheJob.begin(), kOfTheJob.end(), key) == kOfTheJob.end()) continue;
    throw ConfigError(fmt::format(
        "{} is set by the job, for each attempt: leave it out, and say with --runs where runs go",
        key));
  }
}

void check_name(const std::string& name) {
  const auto fits = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '_' || c == '.';
  };
  if (!name.empty() && name.front() != '.' && std::all_of(name.begin(), name.end(), fits)) return;
  throw ConfigError(fmt::format(
      "the job cannot be called '{}': its folder has that name, so give letters, digits, '-', '_' "
      "and '.'",
      name));
}

int at_least(int least, int number, std::string_view flag) {
  if (number >= least) return number;
  throw ConfigError(fmt::format("{} is {}: give at least {}", flag, number, least));
}

/// A folder in a pattern of Slurm's.
std::string in_pattern(const std::string& path) {
  std::string text;
  for (const char c : path) text += c == '%' ? "%%" : std::string(1, c);
  return text;
}

std::string output_pattern(const SlurmJob& job) {
  return in_pattern(job.runs) + "/%x-%j.out";
}

}  // namespace

SlurmJob resolve(const SlurmOrder& order, const SiteValues& site) {
  check_overrides(order.overrides);
  SlurmJob job;
  job.name = order.name.value_or("softmoe");
  check_name(job.name);
  job.nodes = at_least(1, order.nodes, "--nodes");
  job.gpus_per_node =
      at_least(0, order.gpus_per_node.value_or(site.number("SOFTMOE_GPUS_PER_NODE", 0, 0)),
               "--gpus-per-node");
  const int one_each = std::max(1, job.gpus_per_node);
  job.ranks_per_node =
      at_least(1, order.ranks_per_node.value_or(site.number("SOFTMOE_RANKS_PER_NODE", one_each, 1)),
               "--ranks-per-node");
  job.save_seconds = site.number("SOFTMOE_SAVE_SECONDS", job.save_seconds, 1);
  constexpr int kMostSeconds = 65535;  // what sbatch takes
  job.save_seconds = std::min(job.save_seconds, kMostSeconds);
  job.time = order.time.value_or(site.get("SOFTMOE_TIME"));
  job.partition = order.partition.value_or(site.get("SOFTMOE_PARTITION"));
  job.account = site.get("SOFTMOE_ACCOUNT");
  job.qos = site.get("SOFTMOE_QOS");
  job.more_flags = site.words("SOFTMOE_SBATCH_FLAGS");
  job.script = order.script;
  job.site = site.file;
  const std::string program = site.get("SOFTMOE_PROGRAM");
  job.program = program.empty() ? order.program : program;
  job.is_wrapped = !site.get("SOFTMOE_WRAP").empty();
  const std::string runs = site.get("SOFTMOE_RUNS");
  job.runs = order.runs.value_or(runs.empty() ? "runs" : runs);
  job.config_path = order.config_path;
  job.overrides = order.overrides;
  return job;
}

config::Loaded<RunConfig> load_for(const SlurmJob& job) {
  std::vector<std::string> overrides = {"coordinator.placement=standalone",
                                        "coordinator.folder=coordinator"};
  overrides.insert(overrides.end(), job.overrides.begin(), job.overrides.end());
  return load_run_config(config::Source::file(job.config_path), overrides, job.world());
}

void keep_run_id(const RunConfig& config, SlurmJob& job) {
  if (!config.run.id.empty()) job.overrides.push_back("run.id=" + config.run.id);
}

int cpus_for(const SlurmOrder& order, const RunConfig& config) {
  const int threads = config.runtime.threads;
  const int cpus = order.cpus_per_rank.value_or(threads);
  if (cpus >= threads) return cpus;
  throw ConfigError(fmt::format(
      "--cpus-per-rank is {}, but a rank has runtime.threads = {}: give at least {}, or fewer "
      "threads",
      cpus, threads, threads));
}

std::vector<std::string> sbatch_words(const SlurmJob& job) {
  std::vector<std::string> words = {
      "sbatch",
      "--parsable",
      "--job-name=" + job.name,
      fmt::format("--nodes={}", job.nodes),
      fmt::format("--ntasks={}", job.world()),
      fmt::format("--ntasks-per-node={}", job.ranks_per_node),
      fmt::format("--cpus-per-task={}", job.cpus_per_rank),
      fmt::format("--signal=B:USR1@{}", job.save_seconds),
      "--output=" + output_pattern(job),
  };
  // For the node as a whole: bound to ranks they could not read each other's memory.
  if (job.gpus_per_node > 0) words.push_back(fmt::format("--gpus-per-node={}", job.gpus_per_node));
  const auto add = [&](const char* flag, const std::string& value) {
    if (!value.empty()) words.push_back(flag + value);
  };
  add("--time=", job.time);
  add("--partition=", job.partition);
  add("--account=", job.account);
  add("--qos=", job.qos);
  words.insert(words.end(), job.more_flags.begin(), job.more_flags.end());
  words.push_back(job.script);
  if (!job.site.empty()) words.insert(words.end(), {"--site", job.site});
  words.insert(words.end(), {"--program", job.program, "--runs", job.runs, job.config_path});
  words.insert(words.end(), job.overrides.begin(), job.overrides.end());
  return words;
}

std::string submitted_text(const SlurmJob& job, const std::string& job_id) {
  const std::string folder = fmt::format("{}/{}-{}", job.runs, job.name, job_id);
  return fmt::format(
      "job {0}: {1} ranks on {2} nodes\n"
      "waits or runs   squeue -j {0}\n"
      "output          {3}.out; once it runs, {3}/latest/ranks.log\n"
      "watch           softmoe ctl status {3}/latest\n"
      "save now        softmoe ctl checkpoint {3}/latest\n"
      "cancel          scancel {0}   (saves nothing)\n",
      job_id, job.world(), job.nodes, folder);
}

}  // namespace softmoe::launcher
