#include "launcher/commands/submit_command.h"

#include <fmt/format.h>

#include <filesystem>

#include "launcher/run/unavailable.h"
#include "launcher/submit/child_program.h"
#include "launcher/submit/slurm_preflight.h"
#include "runtime/base/errors.h"
#include "runtime/storage/posix_file_system.h"

namespace softmoe::launcher {

namespace {

namespace fs = std::filesystem;

constexpr const char* kScript = "deploy/slurm/train.sbatch";
constexpr std::int64_t kMaxFileBytes = 1 << 20;
constexpr std::chrono::seconds kPatience{60};

/// The batch script of this program: in its source tree, or where it was installed.
std::string find_script(const fs::path& program) {
  for (fs::path folder = program.parent_path(); folder != folder.root_path();
       folder = folder.parent_path()) {
    for (const char* name : {kScript, "share/softmoe/slurm/train.sbatch"}) {
      if (fs::exists(folder / name)) return (folder / name).string();
    }
  }
  if (fs::exists(kScript)) return fs::absolute(kScript).string();
  throw ConfigError(fmt::format("no {} above {} or here: name the batch script with --template",
                                kScript, program.string()));
}

SiteValues read_site(const std::string& given, const fs::path& script) {
  std::string file = given;
  if (file.empty() && fs::exists("site.env")) file = "site.env";
  const fs::path beside = script.parent_path() / "site.env";
  if (file.empty() && fs::exists(beside)) file = beside.string();
  if (file.empty()) return {};
  storage::PosixFileSystem files;
  file = fs::absolute(file).string();
  return parse_site_file(storage::read_text(files, file, kMaxFileBytes), file);
}

void print_all(const SlurmJob& job) {
  storage::PosixFileSystem files;
  fmt::print("# the command\n{}\n", in_shell(sbatch_words(job)));
  if (!job.site.empty()) {
    fmt::print("\n# the site, {}\n{}", job.site,
               storage::read_text(files, job.site, kMaxFileBytes));
  }
  fmt::print("\n# the script, {}\n{}", job.script,
             storage::read_text(files, job.script, kMaxFileBytes));
}

void report(const Findings& findings) {
  for (const std::string& note : findings.notes) fmt::print(stderr, "note: {}\n", note);
  if (findings.problems.empty()) return;
  std::string text = "the job was not submitted:";
  for (const std::string& problem : findings.problems) text += "\n  " + problem;
  throw ConfigError(text);
}

std::string submit(const SlurmJob& job) {
  const ProgramEnd ended = run_to_end(sbatch_words(job), Deadline::in(kPatience));
  if (ended.code != 0) {
    throw Unavailable(fmt::format("sbatch refused the job (code {}): {}", ended.code,
                                  trimmed(ended.errors + ended.output)));
  }
  // With several clusters it is "number;cluster".
  return trimmed(ended.output.substr(0, ended.output.find(';')));
}

}  // namespace

ExitCode submit_to_slurm(const SubmitSlurmOptions& options) {
  SlurmOrder order = options.order;
  order.program = fs::read_symlink("/proc/self/exe").string();
  order.script = options.batch_script.empty() ? find_script(order.program)
                                              : fs::absolute(options.batch_script).string();
  order.config_path = fs::absolute(order.config_path).string();
  const SiteValues site = read_site(options.site, order.script);
  SlurmJob job = resolve(order, site);
  const config::Loaded<RunConfig> loaded = load_for(job);
  job.cpus_per_rank = cpus_for(order, loaded.value);
  keep_run_id(loaded.value, job);
  const Findings findings = look_before(job, site, loaded.value);
  if (options.is_dry_run) print_all(job);
  report(findings);
  if (options.is_dry_run) return ExitCode::done;
  // Slurm makes no folder for a job's output.
  storage::PosixFileSystem().make_directories(job.runs);
  fmt::print("{}", submitted_text(job, submit(job)));
  return ExitCode::done;
}

}  // namespace softmoe::launcher
