#include <fmt/format.h>

#include <memory>

#include "budget/set_points_json.h"
#include "launcher/run/parsed.h"

namespace softmoe::launcher {

namespace {

using budget::TemperatureKind;
using coordinator::ChangeOrder;

/// Numbers of the command line that make a schedule of the temperature.
struct AlphaWords {
  double alpha = 1.0;
  std::optional<double> to;
  std::optional<double> softness;
  std::optional<double> softness_to;
  std::optional<std::int64_t> steps;
};

CLI::Validator above_zero() {
  return {[](const std::string& text) {
            double number = 0;
            const bool is_fine = CLI::detail::lexical_cast(text, number) && number > 0;
            return is_fine ? std::string() : fmt::format("'{}' must be a number above 0", text);
          },
          ""};
}

void add_place(CLI::App& command, CtlOptions& options) {
  command.add_option("place", options.place, "run folder, or the coordinator's folder");
  command.add_option("-c,--config", options.config_path, "configuration of the run");
  command.add_option("--address", options.address, "host:port of the coordinator");
  command.add_option("--token-file", options.token_file, "file of mode 0600 with the token");
  command.add_option("--ca", options.tls.ca_file, "PEM file of the run's certificate authority");
  command.add_option("--certificate", options.tls.certificate_file, "PEM file: observer or admin");
  command.add_option("--key", options.tls.key_file, "PEM file of its private key");
  command.add_flag("--insecure", options.insecure, "without a secret, to another host");
  command.add_flag("--json", options.json, "one JSON object on one line");
}

void add_step(CLI::App& command, Parsed& parsed) {
  command.add_option_function<std::int64_t>(
      "--at", [&parsed](std::int64_t step) { parsed.change.effective_from = Step(step); },
      "step from which it holds; else as soon as it can");
}

CLI::App* add_verb(CLI::App& ctl, Parsed& parsed, const std::string& name,
                   const std::string& help) {
  CLI::App* verb = ctl.add_subcommand(name, help);
  add_place(*verb, parsed.ctl);
  return verb;
}

void add_status(CLI::App& ctl, Parsed& parsed) {
  add_verb(ctl, parsed, "status", "budget, layers, ranks, audit, alarms")->callback([&parsed] {
    parsed.action = [&parsed] { return ctl_status(parsed.ctl); };
  });
  CLI::App* watch = add_verb(ctl, parsed, "watch", "the status again and again");
  watch->add_option("--every", parsed.watch_seconds, "seconds in between")
      ->check(above_zero())
      ->capture_default_str();
  watch->add_option("--count", parsed.watch_count, "so often; 0: until it is stopped");
  watch->callback([&parsed] {
    parsed.action = [&parsed] {
      return ctl_watch(parsed.ctl, parsed.watch_seconds, parsed.watch_count);
    };
  });
}

void add_set_budget(CLI::App& ctl, Parsed& parsed) {
  ChangeOrder& order = parsed.change;
  CLI::App* verb =
      add_verb(ctl, parsed, "set-budget", "change the budget, who holds it, and its layers");
  verb->add_option("--total", order.budget, "expert executions per token, summed over layers")
      ->check(above_zero());
  verb->add_option_function<std::string>(
          "--mode", [&order](const std::string& name) { order.mode = budget::mode_of(name); },
          "servo, quota or off")
      ->check(CLI::IsMember({"servo", "quota", "off"}));
  verb->add_option("--layer-costs", order.layer_cost_L, "cost of a row, layer by layer")
      ->delimiter(',');
  verb->add_option("--layer-min", order.layer_min_L, "least executions per token, layer by layer")
      ->delimiter(',');
  verb->add_option("--layer-max", order.layer_max_L, "most executions per token, layer by layer")
      ->delimiter(',');
  add_step(*verb, parsed);
  verb->footer(
      "Examples:\n"
      "  softmoe ctl set-budget runs/demo --total 6\n"
      "  softmoe ctl set-budget runs/demo --mode quota --at 5000\n");
  verb->callback([&parsed] {
    const ChangeOrder& given = parsed.change;
    if (!given.budget && !given.mode && !given.layer_cost_L && !given.layer_min_L &&
        !given.layer_max_L) {
      throw CLI::RequiredError("--total, --mode, --layer-costs, --layer-min or --layer-max");
    }
    parsed.action = [&parsed] { return ctl_change(parsed.ctl, parsed.change); };
  });
}

budget::Temperature temperature_of(const AlphaWords& words, std::optional<Step> from) {
  budget::Temperature temperature{.start = words.alpha, .end = words.to.value_or(words.alpha)};
  if (words.to) temperature.kind = TemperatureKind::cosine;
  if (words.softness) {
    temperature.kind = TemperatureKind::boundary_mass;
    temperature.start_softness = *words.softness;
    temperature.end_softness = words.softness_to.value_or(*words.softness);
  }
  temperature.first_step = from.value_or(Step(0)).value;
  temperature.num_steps = words.steps.value_or(1);
  return temperature;
}

void add_set_alpha(CLI::App& ctl, Parsed& parsed) {
  // Owned by the command's callbacks.
  const auto words = std::make_shared<AlphaWords>();
  CLI::App* verb = add_verb(ctl, parsed, "set-alpha", "change the temperature of the router");
  verb->add_option("--alpha", words->alpha, "temperature from then on, or where a schedule begins")
      ->required()
      ->check(above_zero());
  CLI::Option* steps = verb->add_option("--steps", words->steps, "steps that the change takes");
  CLI::Option* from = verb->add_option_function<std::int64_t>(
      "--at", [&parsed](std::int64_t step) { parsed.change.effective_from = Step(step); },
      "step from which it holds; a schedule needs one");
  CLI::Option* to = verb->add_option("--to", words->to, "cosine from --alpha to this")
                        ->check(above_zero())
                        ->needs(steps)
                        ->needs(from);
  CLI::Option* softness = verb->add_option("--softness", words->softness,
                                           "closed loop: alpha follows this W/k, in (0, 1)")
                              ->check(above_zero())
                              ->excludes(to);
  verb->add_option("--softness-to", words->softness_to, "W/k at the end of --steps")
      ->check(above_zero())
      ->needs(softness)
      ->needs(steps)
      ->needs(from);
  verb->footer(
      "Examples:\n"
      "  softmoe ctl set-alpha runs/demo --alpha 0.8\n"
      "  softmoe ctl set-alpha runs/demo --alpha 1 --to 0.25 --steps 4000 --at 1000\n"
      "  softmoe ctl set-alpha runs/demo --alpha 1 --softness 0.5\n");
  verb->callback([&parsed, words] {
    parsed.change.temperature = temperature_of(*words, parsed.change.effective_from);
    parsed.action = [&parsed] { return ctl_change(parsed.ctl, parsed.change); };
  });
}

void add_requests(CLI::App& ctl, Parsed& parsed) {
  add_verb(ctl, parsed, "checkpoint", "save after the next step")->callback([&parsed] {
    parsed.action = [&parsed] { return ctl_checkpoint(parsed.ctl); };
  });
  CLI::App* drain = add_verb(ctl, parsed, "drain", "finish the step, save, end with code 75");
  const CLI::Option* sure = drain->add_flag("--yes")->description("do not ask");
  drain->callback([&parsed, sure] {
    parsed.action = [&parsed, is_sure = sure->count() > 0] {
      return ctl_drain(parsed.ctl, is_sure);
    };
  });
}

}  // namespace

void add_coordinator(CLI::App& app, Parsed& parsed) {
  CoordinatorOptions& options = parsed.coordinator;
  CLI::App* command = app.add_subcommand(
      "coordinator", "own a run's budget in a process of its own; ranks come to it");
  command->require_subcommand(0, 1);
  command->add_option("-c,--config", options.config_path, "the configuration of the run");
  add_world(*command, options.expect_world);
  add_overrides(*command, options.overrides);
  command->footer(
      "Example:\n"
      "  softmoe coordinator --config run.yaml --expect-world 4 coordinator.folder=coordinator\n"
      "  mpirun -n 4 softmoe train --config run.yaml coordinator.placement=standalone "
      "coordinator.folder=coordinator\n");
  CertificateOptions& order = parsed.certificates;
  CLI::App* certs =
      command->add_subcommand("certs", "make a certificate authority and certificates for a run");
  certs->add_option("--to", order.folder, "folder to make")->required();
  certs->add_option("--run", order.run_id, "run.id of the configuration")->required();
  certs->add_option("--world", order.world, "ranks of the run")->required();
  certs->add_option("--host", order.hosts, "name or number that the coordinator is reached by")
      ->required();
  certs->add_option("--days", order.days, "for which they hold")->capture_default_str();
  certs->footer(
      "Example:\n"
      "  softmoe coordinator certs --to certs --run my-run --world 4 --host coordinator.local\n");
  certs->callback(
      [&parsed] { parsed.action = [&parsed] { return make_certificates(parsed.certificates); }; });
  command->callback([&parsed, certs] {
    if (certs->parsed()) return;
    parsed.action = [&parsed] { return run_coordinator(parsed.coordinator); };
  });
}

void add_ctl(CLI::App& app, Parsed& parsed) {
  CLI::App* ctl = app.add_subcommand("ctl", "look at a running job and change its set-points");
  ctl->require_subcommand(0, 1);
  add_status(*ctl, parsed);
  add_set_budget(*ctl, parsed);
  add_set_alpha(*ctl, parsed);
  add_requests(*ctl, parsed);
}

}  // namespace softmoe::launcher
