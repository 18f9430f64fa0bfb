#include <fmt/format.h>

#include "launcher/run/parsed.h"

namespace softmoe::launcher {

namespace {

CLI::Validator fault(std::string (*fault_of)(const std::string&)) {
  return {[fault_of](std::string& text) { return fault_of(text); }, ""};
}

void add_place(CLI::App& command, SubmitKubernetesOptions& options) {
  KubernetesOrder& order = options.order;
  command
      .add_option_function<std::string>(
          "--overlay", [&order](const std::string& name) { order.overlay = overlay_of(name); },
          "cpu, gpu or kueue; else cpu")
      ->check(CLI::IsMember({"cpu", "gpu", "kueue"}));
  command.add_option("--image", order.image, "NAME:TAG or NAME@DIGEST, with sshd in it")
      ->check(fault(fault_of_image));
  command.add_option("--namespace", order.name_space, "else softmoe")->check(fault(fault_of_name));
  command.add_option("--queue", order.queue, "queue of Kueue")->check(fault(fault_of_name));
  command
      .add_option("--name", order.name,
                  "before the names of all objects, so that runs can share a namespace")
      ->check(fault(fault_of_name));
  command.add_option("--manifests", options.manifests, "the folder deploy/k8s, if it is elsewhere");
  command.add_option("--to", options.folder, "folder for the kustomization that is applied");
  command.add_flag("--dry-run", options.is_dry_run, "print the objects, apply nothing");
}

}  // namespace

void add_submit_kubernetes(CLI::App& submit, Parsed& parsed) {
  SubmitKubernetesOptions& options = parsed.submit_kubernetes;
  CLI::App* command = submit.add_subcommand(
      "k8s", "an MPIJob and a coordinator, by kubectl and the manifests in deploy/k8s");
  command->add_option("-c,--config", options.config_path, "the configuration of the run")
      ->required();
  command->add_option("--workers", options.order.workers, "pods that hold ranks")
      ->required()
      ->check(CLI::Range(1, 4096));
  command
      ->add_option("--ranks-per-worker", options.order.ranks_per_worker,
                   "ranks of a pod, with a GPU each in the overlay gpu; else the overlay's")
      ->check(CLI::Range(1, 64));
  add_place(*command, options);
  add_overrides(*command, options.overrides);
  command->footer(
      "Examples:\n"
      "  softmoe submit k8s --config run.yaml --workers 2 --dry-run\n"
      "  softmoe submit k8s --config run.yaml --workers 4 --ranks-per-worker 8 --overlay gpu\n"
      "      --image registry.example.org/softmoe-mpi:0.1.0-cuda --name first "
      "training.steps=2000\n");
  command->callback([&parsed] {
    parsed.action = [&parsed] { return submit_kubernetes(parsed.submit_kubernetes); };
  });
}

}  // namespace softmoe::launcher
