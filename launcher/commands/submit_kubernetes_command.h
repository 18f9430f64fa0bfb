#pragma once

#include <string>
#include <vector>

#include "launcher/run/exit_code.h"
#include "launcher/submit/kubernetes_order.h"

namespace softmoe::launcher {

struct SubmitKubernetesOptions {
  std::string config_path;
  std::vector<std::string> overrides;  ///< key=value
  KubernetesOrder order;
  std::string manifests;  ///< deploy/k8s; empty: beside the program or the working directory
  std::string folder;     ///< where the kustomization goes; empty: see submit_kubernetes
  bool is_dry_run = false;
};

/// Checks the configuration for the world of the order, writes a kustomization above the overlay,
/// and has kubectl render it (dry run: to standard output, from a temporary folder) or apply it
/// (from runs/kubernetes/NAME unless a folder is given, where it stays for `kubectl delete -k`).
/// @throws ConfigError; Unavailable if kubectl is missing or fails; StorageError
[[nodiscard]] ExitCode submit_kubernetes(const SubmitKubernetesOptions& options);

}  // namespace softmoe::launcher
