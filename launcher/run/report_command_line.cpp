#include "launcher/run/parsed.h"

namespace softmoe::launcher {

void add_report(CLI::App& app, Parsed& parsed) {
  ReportOptions& options = parsed.report;
  CLI::App* command = app.add_subcommand(
      "report", "one page of a finished or running run: charts, events, numbers");
  command->add_option("run", options.run, "run folder")->required();
  command->add_option("--output", options.output, "file to write; else report.html in the folder");
  command->footer(
      "Examples:\n"
      "  softmoe report runs/demo\n"
      "  softmoe report runs/demo --output demo.html\n");
  command->callback([&parsed] { parsed.action = [&parsed] { return report_run(parsed.report); }; });
}

}  // namespace softmoe::launcher
