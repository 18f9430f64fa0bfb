#include "launcher/run/parsed.h"

namespace softmoe::launcher {

void add_doctor(CLI::App& app, Parsed& parsed) {
  DoctorOptions& options = parsed.doctor;
  CLI::App* command =
      app.add_subcommand("doctor", "whether this machine and this shell are fit for a run");
  add_world(*command, options.expect_world);
  command->add_option("--folder", options.folder, "where results will go: it is tried")
      ->capture_default_str();
  command->add_flag("--json", options.json, "one JSON object on one line");
  command->footer(
      "Examples:\n"
      "  softmoe doctor\n"
      "  softmoe doctor --folder /scratch/me/runs\n"
      "  srun --mpi=pmix -n 8 softmoe doctor --expect-world 8 --json\n"
      "Exit code 78 if something would break a run.\n");
  command->callback([&parsed] { parsed.action = [&parsed] { return doctor(parsed.doctor); }; });
}

}  // namespace softmoe::launcher
