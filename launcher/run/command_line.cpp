#include "launcher/run/command_line.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <functional>
#include <thread>

#include "launcher/commands/command.h"
#include "launcher/run/launch_environment.h"
#include "launcher/run/parsed.h"
#include "launcher/run/together.h"
#include "parallel/mpi/mpi_session.h"

namespace softmoe::launcher {

namespace {

constexpr const char* kFooter =
    "Exit codes: 0 done, 64 usage, 65 bad data, 66 input missing, 69 kubectl or the like failed,\n"
    "70 internal error, 73 cannot write, 74 input/output error, 75 saved or a peer lost: restart,\n"
    "77 refused by the coordinator, 78 configuration or number of ranks.\n";

/// In words of ours: the library's own range names the largest double.
CLI::Validator at_least_zero() {
  return {[](const std::string& text) {
            return std::string(text.starts_with('-') ? "must be 0 or more" : "");
          },
          ""};
}

void add_train(CLI::App& app, Parsed& parsed) {
  RunOptions& options = parsed.train;
  CLI::App* command = app.add_subcommand("train", "train a model");
  command->add_option("-c,--config", options.config_path,
                      "YAML file; without it the defaults hold");
  const CLI::Option* keys =
      command->add_flag("--keys")->description("print every key with default and meaning");
  command->add_option("--replay", options.replay,
                      "run folder: repeat that run under the words that it logged");
  add_world(*command, options.expect_world);
  add_overrides(*command, options.overrides);
  command->footer(
      "Examples:\n"
      "  softmoe train --config configs/demo.yaml\n"
      "  mpirun -n 2 softmoe train --config configs/demo.yaml training.steps=100 budget.total=6\n");
  command->callback([&parsed, keys] {
    parsed.action = [&parsed] { return train(parsed.train); };
    if (keys->count() > 0) parsed.action = print_keys;
  });
}

void add_eval(CLI::App& app, Parsed& parsed) {
  EvalOptions& options = parsed.eval;
  CLI::App* command = app.add_subcommand("eval", "mean loss of a saved model on validation tokens");
  command->add_option("model", options.model, "run folder or model file")->required();
  command->add_option("--sequences", options.sequences, "so many of them; 0: all")
      ->check(at_least_zero());
  add_world(*command, options.expect_world);
  add_overrides(*command, options.overrides);
  command->footer(
      "Examples:\n"
      "  softmoe eval runs/demo\n"
      "  mpirun -n 4 softmoe eval runs/demo data.corpus=data/other\n");
  command->callback([&parsed] { parsed.action = [&parsed] { return evaluate(parsed.eval); }; });
}

void add_generate(CLI::App& app, Parsed& parsed) {
  GenerateOptions& options = parsed.generate;
  CLI::App* command = app.add_subcommand("generate", "continue a text with a saved model");
  command->add_option("model", options.model, "run folder or model file")->required();
  command->add_option("--prompt", options.prompt,
                      "text to continue; empty: the start of a document");
  command->add_option("--tokens", options.tokens, "at most so many more")
      ->check(at_least_zero())
      ->capture_default_str();
  command->add_option("--temperature", options.temperature, "0 takes the likeliest token")
      ->capture_default_str();
  command->add_option("--top-p", options.top_p, "among the likeliest that have this probability")
      ->capture_default_str();
  command->add_option("--seed", options.seed, "of the random choices")->capture_default_str();
  add_world(*command, options.expect_world);
  add_overrides(*command, options.overrides);
  command->footer(
      "Examples:\n"
      "  softmoe generate runs/demo --prompt 'The kernel' --tokens 60\n"
      "  mpirun -n 2 softmoe generate runs/demo --temperature 0\n");
  command->callback([&parsed] { parsed.action = [&parsed] { return generate(parsed.generate); }; });
}

void add_data(CLI::App& app, Parsed& parsed) {
  DataBuildOptions& build = parsed.build;
  CLI::App* data =
      app.add_subcommand("data", "build and look at corpora")->require_subcommand(0, 1);
  CLI::App* command =
      data->add_subcommand("build", "make a corpus of token files from a folder of text");
  command->add_option("--from", build.from, "folder with *.txt, *.rst, *.md, also .gz")->required();
  command->add_option("--to", build.to, "folder to make")->required();
  command->add_option("--tokenizer", build.tokenizer, "bpe or bytes")->capture_default_str();
  command->add_option("--vocabulary", build.vocabulary, "pieces of bpe")->capture_default_str();
  command->add_option("--validation", build.validation, "part of the documents kept apart")
      ->capture_default_str();
  command->footer(
      "Example:\n  softmoe data build --from ~/texts --to data/texts --vocabulary 8192\n");
  command->callback([&parsed] { parsed.action = [&parsed] { return build_data(parsed.build); }; });
  CLI::App* inspect = data->add_subcommand("inspect", "what is in a corpus or a token file");
  inspect->add_option("path", parsed.inspect_path, "corpus folder or token file")->required();
  inspect->footer("Example:\n  softmoe data inspect data/demo\n");
  inspect->callback(
      [&parsed] { parsed.action = [&parsed] { return inspect_data(parsed.inspect_path); }; });
}

/// Reports an error once where all ranks fail alike, and by rank where one does.
void report(const std::exception& error, int rank) {
  // What the user did wrong fails on every rank: rank 0 says it, and that is the end of the others.
  const bool is_alike = dynamic_cast<const ConfigError*>(&error) != nullptr ||
                        dynamic_cast<const StorageError*>(&error) != nullptr;
  // A lost peer is a consequence: the code of the job is that of the cause, if it has one.
  const bool is_consequence = dynamic_cast<const CommError*>(&error) != nullptr;
  if (rank != 0 && (is_alike || is_consequence)) std::this_thread::sleep_for(kOthersFirst);
  fmt::print(stderr, "{}{}\n", rank == 0 ? "softmoe: " : fmt::format("softmoe: rank {}: ", rank),
             error.what());
  std::fflush(stderr);
  if (rank == 0 && is_consequence) std::this_thread::sleep_for(kOthersFirst);
}

int run_action(const std::function<ExitCode()>& action) {
  const int rank = launched_rank(lookup_environment);
  try {
    return static_cast<int>(action());
  } catch (const std::exception& error) {
    report(error, rank);
    // Peers may be inside an operation with this rank: leave without waiting for them.
    parallel::MpiSession::leave(static_cast<int>(exit_code_of(error)));
  }
}

}  // namespace

void add_overrides(CLI::App& command, std::vector<std::string>& overrides) {
  command
      .add_option("overrides", overrides, "key=value above the file, for instance model.layers=6")
      ->type_name("key=value");
}

void add_world(CLI::App& command, std::optional<int>& expect_world) {
  command.add_option("--expect-world", expect_world,
                     "ranks there have to be; else SLURM_NTASKS, else OMPI_COMM_WORLD_SIZE");
}

int run_program(int argc, char** argv) {
  CLI::App app(
      "softmoe trains Mixture-of-Experts language models whose tokens run a variable, budgeted "
      "number of experts.");
  app.footer(kFooter);
  app.require_subcommand(0, 1);
  Parsed parsed;
  add_train(app, parsed);
  add_eval(app, parsed);
  add_generate(app, parsed);
  add_data(app, parsed);
  add_coordinator(app, parsed);
  add_ctl(app, parsed);
  add_submit(app, parsed);
  add_report(app, parsed);
  add_plan(app, parsed);
  add_doctor(app, parsed);
  app.add_subcommand("version", "version and what was built in")->callback([&parsed] {
    parsed.action = print_version;
  });
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const int code = app.exit(error);
    return code == 0 ? 0 : static_cast<int>(ExitCode::usage);
  }
  if (!parsed.action) {
    // A verb is missing: show those there are.
    const auto named = app.get_subcommands();
    fmt::print(stderr, "{}", named.empty() ? app.help() : named.front()->help());
    return static_cast<int>(ExitCode::usage);
  }
  return run_action(parsed.action);
}

}  // namespace softmoe::launcher
