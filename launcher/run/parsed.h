#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "launcher/commands/command.h"
#include "launcher/commands/doctor_command.h"
#include "launcher/commands/plan_command.h"
#include "launcher/commands/report_command.h"
#include "launcher/commands/submit_command.h"
#include "launcher/commands/submit_kubernetes_command.h"

namespace softmoe::launcher {

/// What the command line says, and what to do about it.
struct Parsed {
  RunOptions train;
  EvalOptions eval;
  GenerateOptions generate;
  DataBuildOptions build;
  std::string inspect_path;
  CoordinatorOptions coordinator;
  CertificateOptions certificates;
  CtlOptions ctl;
  coordinator::ChangeOrder change;
  double watch_seconds = 2.0;
  std::int64_t watch_count = 0;
  SubmitSlurmOptions submit_slurm;
  SubmitKubernetesOptions submit_kubernetes;
  PlanOptions plan;
  DoctorOptions doctor;
  ReportOptions report;
  std::function<ExitCode()> action;
};

void add_overrides(CLI::App& command, std::vector<std::string>& overrides);
void add_world(CLI::App& command, std::optional<int>& expect_world);

/// `softmoe coordinator` and its `certs`.
void add_coordinator(CLI::App& app, Parsed& parsed);
/// `softmoe ctl` and its verbs.
void add_ctl(CLI::App& app, Parsed& parsed);
/// `softmoe submit` and the clusters it knows.
void add_submit(CLI::App& app, Parsed& parsed);
/// `softmoe submit k8s`.
void add_submit_kubernetes(CLI::App& submit, Parsed& parsed);
/// `softmoe report`.
void add_report(CLI::App& app, Parsed& parsed);
/// `softmoe plan`.
void add_plan(CLI::App& app, Parsed& parsed);
/// `softmoe doctor`.
void add_doctor(CLI::App& app, Parsed& parsed);

}  // namespace softmoe::launcher
