#pragma once

// What a user asks of Kubernetes, and the kustomization that says so above an overlay of
// deploy/k8s.

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace softmoe::launcher {

/// A folder under deploy/k8s/overlays.
enum class KubernetesOverlay { cpu, gpu, kueue };

[[nodiscard]] std::string name_of(KubernetesOverlay overlay);
[[nodiscard]] KubernetesOverlay overlay_of(const std::string& name);

struct KubernetesOrder {
  KubernetesOverlay overlay = KubernetesOverlay::cpu;
  int workers = 0;                      ///< pods that hold ranks
  std::optional<int> ranks_per_worker;  ///< else the overlay's
  std::string name;                     ///< before the name of every object; empty: none
  std::string name_space;               ///< empty: the overlay's
  std::string image;  ///< repository:tag or repository@digest; empty: the overlay's
  std::string queue;  ///< of Kueue; empty: the overlay's, if any

  [[nodiscard]] int slots() const;  ///< ranks of one worker
  [[nodiscard]] int world() const { return workers * slots(); }
};

/// A file of the kustomization.
struct KubernetesFile {
  std::string name;
  std::string text;
};

/// kustomization.yaml, the patches that it names, and run.yaml: what they render is the overlay but
/// for what the order says. Text that is YAML is written as JSON, which YAML includes.
/// @param deploy    deploy/k8s, relative to the folder that the files go to: kustomize takes no
/// other
/// @param run_yaml  the configuration of the run
[[nodiscard]] std::vector<KubernetesFile> kustomization_of(const KubernetesOrder& order,
                                                           const std::string& deploy,
                                                           const std::string& run_yaml);

/// What is wrong with a name that objects are to begin with, or with an image; empty: nothing.
[[nodiscard]] std::string fault_of_name(const std::string& name);
[[nodiscard]] std::string fault_of_image(const std::string& image);

/// Refuses settings that could not do what they say in a pod: keys that the manifests set, and
/// files of this machine.
/// @param overrides  key=value of the command line
/// @param paths      key and value of every setting that names a file to read
/// @throws ConfigError
void check_settings(const std::vector<std::string>& overrides,
                    const std::vector<std::pair<std::string, std::string>>& paths);

}  // namespace softmoe::launcher
