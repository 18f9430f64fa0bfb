#include "launcher/submit/kubernetes_order.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>

#include "runtime/base/errors.h"

namespace softmoe::launcher {

namespace {

using nlohmann::ordered_json;

constexpr int kMetricsPort = 9464;  // of local rank 0, in deploy/k8s/base
constexpr std::size_t kMaxName = 40;

const std::string kWorker = "/spec/mpiReplicaSpecs/Worker";
const std::string kWorkerContainer = kWorker + "/template/spec/containers/0";
const std::string kLauncherArgs = "/spec/mpiReplicaSpecs/Launcher/template/spec/containers/0/args/";

/// Patches of one kind of object, as JSON 6902.
class Patch {
 public:
  void replace(const std::string& path, ordered_json value) {
    operations_.push_back({{"op", "replace"}, {"path", path}, {"value", std::move(value)}});
  }
  void add(const std::string& path, ordered_json value) {
    operations_.push_back({{"op", "add"}, {"path", path}, {"value", std::move(value)}});
  }
  /// Replaces the argument behind `flag`, and fails where the manifest has another one there.
  void set_argument(const std::string& args, int flag_index, const std::string& flag,
                    const std::string& value) {
    operations_.push_back(
        {{"op", "test"}, {"path", args + std::to_string(flag_index)}, {"value", flag}});
    replace(args + std::to_string(flag_index + 1), value);
  }
  [[nodiscard]] bool empty() const { return operations_.empty(); }
  [[nodiscard]] std::string text() const { return operations_.dump(2) + "\n"; }

 private:
  ordered_json operations_ = ordered_json::array();
};

ordered_json container_ports(int ranks) {
  ordered_json ports = ordered_json::array();
  ports.push_back({{"name", "ssh"}, {"containerPort", 2222}, {"protocol", "TCP"}});
  for (int rank = 0; rank < ranks; ++rank) {
    ports.push_back({{"name", rank == 0 ? "metrics" : fmt::format("metrics-{}", rank)},
                     {"containerPort", kMetricsPort + rank},
                     {"protocol", "TCP"}});
  }
  return ports;
}

Patch train_patch(const KubernetesOrder& order) {
  Patch patch;
  patch.replace(kWorker + "/replicas", order.workers);
  patch.set_argument(kLauncherArgs, 12, "--expect-world", std::to_string(order.world()));
  if (order.ranks_per_worker) {
    const int ranks = *order.ranks_per_worker;
    patch.replace("/spec/slotsPerWorker", ranks);
    patch.set_argument(kLauncherArgs, 2, "--map-by", fmt::format("ppr:{}:node", ranks));
    patch.replace(kWorkerContainer + "/ports", container_ports(ranks));
    if (order.overlay == KubernetesOverlay::gpu) {
      patch.replace(kWorkerContainer + "/resources/limits/nvidia.com~1gpu", ranks);
    } else {
      patch.replace(kWorkerContainer + "/resources/requests/cpu", std::to_string(ranks));
    }
  }
  if (!order.queue.empty()) patch.add("/metadata/labels/kueue.x-k8s.io~1queue-name", order.queue);
  return patch;
}

Patch coordinator_patch(const KubernetesOrder& order) {
  Patch patch;
  patch.set_argument("/spec/template/spec/containers/0/args/", 3, "--expect-world",
                     std::to_string(order.world()));
  return patch;
}

Patch disruption_patch(const KubernetesOrder& order) {
  Patch patch;
  patch.replace("/spec/minAvailable", order.workers);
  return patch;
}

/// Prometheus may reach the port of every rank of a worker.
Patch network_patch(const KubernetesOrder& order) {
  Patch patch;
  if (!order.ranks_per_worker) return patch;
  ordered_json port = {{"port", kMetricsPort}, {"protocol", "TCP"}};
  if (*order.ranks_per_worker > 1) port["endPort"] = kMetricsPort + *order.ranks_per_worker - 1;
  patch.replace("/spec/ingress/1/ports", ordered_json::array({port}));
  return patch;
}

/// Every object of the run under the name, and selectors that find this run alone.
void set_name(ordered_json& kustomization, const std::string& name) {
  kustomization["namePrefix"] = name + "-";
  ordered_json fields = ordered_json::array();
  for (const char* role : {"Worker", "Launcher"}) {
    fields.push_back(
        {{"kind", "MPIJob"},
         {"path", fmt::format("spec/mpiReplicaSpecs/{}/template/metadata/labels", role)},
         {"create", true}});
  }
  ordered_json pairs = {{"app.kubernetes.io/instance", name}};
  kustomization["labels"].push_back({{"pairs", pairs},
                                     {"includeSelectors", true},
                                     {"includeTemplates", true},
                                     {"fields", fields}});
}

/// One image serves ranks and coordinator: that with sshd holds the whole program.
void set_image(ordered_json& kustomization, const std::string& image) {
  const std::size_t digest = image.find('@');
  const std::size_t end = digest != std::string::npos ? digest : image.rfind(':');
  for (const char* name : {"softmoe", "softmoe-mpi"}) {
    kustomization["images"].push_back(
        {{"name", name},
         {"newName", image.substr(0, end)},
         {digest != std::string::npos ? "digest" : "newTag", image.substr(end + 1)}});
  }
}

}  // namespace

std::string name_of(KubernetesOverlay overlay) {
  switch (overlay) {
    case KubernetesOverlay::cpu:
      return "cpu";
    case KubernetesOverlay::gpu:
      return "gpu";
    case KubernetesOverlay::kueue:
      return "kueue";
  }
  throw InternalError("an overlay without a name");
}

KubernetesOverlay overlay_of(const std::string& name) {
  for (const KubernetesOverlay overlay :
       {KubernetesOverlay::cpu, KubernetesOverlay::gpu, KubernetesOverlay::kueue}) {
    if (name_of(overlay) == name) return overlay;
  }
  throw InvalidArgument(fmt::format("no overlay '{}': there are cpu, gpu and kueue", name));
}

int KubernetesOrder::slots() const {
  return ranks_per_worker.value_or(overlay == KubernetesOverlay::gpu ? 8 : 1);
}

std::vector<KubernetesFile> kustomization_of(const KubernetesOrder& order,
                                             const std::string& deploy,
                                             const std::string& run_yaml) {
  ordered_json kustomization = {{"apiVersion", "kustomize.config.k8s.io/v1beta1"},
                                {"kind", "Kustomization"}};
  kustomization["resources"].push_back(
      fmt::format("{}/overlays/{}", deploy, name_of(order.overlay)));
  if (!order.queue.empty() && order.overlay != KubernetesOverlay::kueue)
    kustomization["components"].push_back(deploy + "/components/kueue");
  if (!order.name_space.empty()) kustomization["namespace"] = order.name_space;
  if (!order.name.empty()) set_name(kustomization, order.name);
  if (!order.image.empty()) set_image(kustomization, order.image);
  kustomization["configMapGenerator"].push_back(
      {{"name", "run"}, {"behavior", "replace"}, {"files", ordered_json::array({"run.yaml"})}});

  std::vector<KubernetesFile> files = {{.name = "run.yaml", .text = run_yaml}};
  const auto add_patch = [&](const char* kind, const char* object, const Patch& patch) {
    if (patch.empty()) return;
    std::string file = fmt::format("{}-{}.json", kind, object);
    kustomization["patches"].push_back(
        {{"path", file}, {"target", {{"kind", kind}, {"name", object}}}});
    files.push_back({.name = std::move(file), .text = patch.text()});
  };
  add_patch("MPIJob", "train", train_patch(order));
  add_patch("Deployment", "coordinator", coordinator_patch(order));
  add_patch("PodDisruptionBudget", "workers", disruption_patch(order));
  add_patch("NetworkPolicy", "train", network_patch(order));
  files.push_back({.name = "kustomization.yaml", .text = kustomization.dump(2) + "\n"});
  return files;
}

std::string fault_of_name(const std::string& name) {
  const auto is_letter = [](char c) { return c >= 'a' && c <= 'z'; };
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  const bool is_fine = !name.empty() && name.size() <= kMaxName && is_letter(name.front()) &&
                       name.back() != '-' && std::all_of(name.begin(), name.end(), [&](char c) {
                         return is_letter(c) || is_digit(c) || c == '-';
                       });
  if (is_fine) return "";
  return fmt::format(
      "'{}' must be 1 to {} small letters, digits and dashes, with a letter first and no dash "
      "last: "
      "pods are named after it",
      name, kMaxName);
}

std::string fault_of_image(const std::string& image) {
  const std::size_t digest = image.find('@');
  const std::size_t tag = image.rfind(':');
  const std::size_t slash = image.rfind('/');
  const bool has_tag = tag != std::string::npos && (slash == std::string::npos || tag > slash);
  const std::size_t end = digest != std::string::npos ? digest : tag;
  const bool has_space =
      std::any_of(image.begin(), image.end(), [](unsigned char c) { return std::isspace(c) != 0; });
  if (image.empty() || has_space || (digest == std::string::npos && !has_tag) || end == 0 ||
      end + 1 == image.size()) {
    return fmt::format("'{}' must be NAME:TAG or NAME@sha256:DIGEST", image);
  }
  if (digest == std::string::npos && image.substr(tag + 1) == "latest") {
    return fmt::format("'{}' may be another image on every node: give a tag of its own or a digest",
                       image);
  }
  return "";
}

void check_settings(const std::vector<std::string>& overrides,
                    const std::vector<std::pair<std::string, std::string>>& paths) {
  constexpr std::array<std::string_view, 8> kPlaced = {
      "run.folder",         "coordinator.placement",  "coordinator.address",
      "coordinator.folder", "coordinator.listen",     "coordinator.metrics_listen",
      "metrics.listen",     "coordinator.token_file",
  };
  std::string faults;
  for (const std::string& text : overrides) {
    const std::string key = text.substr(0, text.find('='));
    if (std::find(kPlaced.begin(), kPlaced.end(), key) == kPlaced.end()) continue;
    faults += fmt::format("\n  '{}': deploy/k8s/base sets it for pods; leave it out", key);
  }
  for (const auto& [key, value] : paths) {
    if (value.empty() || value.front() == '/') continue;
    faults += fmt::format(
        "\n  '{0}' is '{1}', a path of this machine; pods see the claim softmoe-data at /data: set "
        "{0}=/data/...",
        key, value);
  }
  if (!faults.empty()) throw ConfigError("this cannot run in pods:" + faults);
}

}  // namespace softmoe::launcher
