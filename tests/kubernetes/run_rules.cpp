// Rules among the objects of a run.

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "tests/kubernetes/rules.h"

namespace softmoe::test {

namespace {

using namespace nlohmann::literals;

const Object& launcher_of(const Object& job) {
  return job.at("/spec/mpiReplicaSpecs/Launcher/template/spec/containers/0"_json_pointer);
}

const Object& worker_of(const Object& job) {
  return job.at("/spec/mpiReplicaSpecs/Worker/template/spec/containers/0"_json_pointer);
}

/// The argument behind `flag`; empty: none.
std::string argument(const Object& container, const std::string& flag) {
  const Object& args = container.at("args");
  for (std::size_t i = 0; i + 1 < args.size(); ++i) {
    if (args[i] == flag) return args[i + 1];
  }
  return "";
}

class Comparison {
 public:
  template <class T>
  void expect(const std::string& what, const T& found, const T& wanted) {
    if (found != wanted) offences_.push_back(fmt::format("{} is {}, not {}", what, found, wanted));
  }
  [[nodiscard]] Offences take() { return std::move(offences_); }

 private:
  Offences offences_;
};

/// Whether labels are what matchLabels and matchExpressions ask for; absent: anything.
bool is_selected(const Object& selector, const Object& labels) {
  const Object wanted = selector.value("matchLabels", Object::object());
  for (const auto& [key, value] : wanted.items()) {
    if (labels.value(key, "") != value) return false;
  }
  return true;
}

/// Selectors of this run: those that go by labels. Foreign pods are chosen by expressions.
void collect_selectors(const Object& value, std::vector<Object>& selectors) {
  if (value.is_array()) {
    for (const Object& inner : value) collect_selectors(inner, selectors);
  }
  if (!value.is_object()) return;
  for (const auto& [key, inner] : value.items()) {
    if (inner.is_object() && inner.contains("matchLabels")) selectors.push_back(inner);
    collect_selectors(inner, selectors);
  }
}

void check_metrics_ports(const Object& job, const Objects& objects, int slots,
                         Comparison& comparison) {
  int ports = 0;
  for (const Object& port : worker_of(job).at("ports")) {
    if (!port.value("name", "").starts_with("metrics")) continue;
    comparison.expect<int>("port " + port.value("name", ""), port.at("containerPort"),
                           9464 + ports);
    ++ports;
  }
  comparison.expect("number of ports of metrics", ports, slots);
  for (const Object& policy : all_of_kind(objects, "NetworkPolicy")) {
    if (!policy.at("metadata").at("name").get<std::string>().ends_with("train")) continue;
    const Object port = policy.at("/spec/ingress/1/ports/0"_json_pointer);
    comparison.expect<int>("last port open to Prometheus",
                           port.value("endPort", port.value("port", 0)), 9464 + slots - 1);
  }
}

}  // namespace

Offences against_world(const Objects& objects) {
  Comparison comparison;
  for (const Object& job : all_of_kind(objects, "MPIJob")) {
    const int workers = job.at("/spec/mpiReplicaSpecs/Worker/replicas"_json_pointer);
    const int slots = job.at("/spec/slotsPerWorker"_json_pointer);
    const std::string world = std::to_string(workers * slots);
    comparison.expect("mpirun's --map-by", argument(launcher_of(job), "--map-by"),
                      fmt::format("ppr:{}:node", slots));
    comparison.expect("--expect-world of the ranks", argument(launcher_of(job), "--expect-world"),
                      world);
    for (const Object& deployment : all_of_kind(objects, "Deployment")) {
      comparison.expect("--expect-world of the coordinator",
                        argument(deployment.at("/spec/template/spec/containers/0"_json_pointer),
                                 "--expect-world"),
                        world);
    }
    for (const Object& budget : all_of_kind(objects, "PodDisruptionBudget")) {
      const bool is_of_workers =
          budget.at("metadata").at("name").get<std::string>().ends_with("workers");
      const Object least = budget.at("/spec/minAvailable"_json_pointer);
      comparison.expect(title_of(budget) + " minAvailable", least.dump(),
                        std::to_string(is_of_workers ? workers : 1));
      comparison.expect(
          title_of(budget) + " unhealthyPodEvictionPolicy",
          budget.value("/spec/unhealthyPodEvictionPolicy"_json_pointer, std::string()),
          std::string("AlwaysAllow"));
    }
    check_metrics_ports(job, objects, slots, comparison);
  }
  return comparison.take();
}

Offences against_references(const Objects& objects, const std::vector<std::string>& others) {
  Offences offences;
  std::set<std::string> known;
  for (const std::string& name : others) known.insert("PersistentVolumeClaim/" + name);
  for (const Object& object : objects) known.insert(title_of(object));
  const auto need = [&](const PodTemplate& pod, const std::string& kind, const Object& name) {
    if (!name.is_string() || known.contains(kind + "/" + name.get<std::string>())) return;
    offences.push_back(fmt::format("{}: there is no {} {}", pod.title, kind, name.dump()));
  };
  for (const PodTemplate& pod : pods_of(objects)) {
    need(pod, "ServiceAccount", pod.spec.value("serviceAccountName", Object()));
    for (const Object& volume : pod.spec.value("volumes", Object::array())) {
      need(pod, "ConfigMap", volume.value("/configMap/name"_json_pointer, Object()));
      need(pod, "PersistentVolumeClaim",
           volume.value("/persistentVolumeClaim/claimName"_json_pointer, Object()));
    }
    for (const Object& variable : pod.spec.at("containers").at(0).value("env", Object::array())) {
      if (variable.at("name") == "COORDINATOR")
        need(pod, "Service", variable.value("value", Object()));
    }
  }
  return offences;
}

Offences against_selectors(const Objects& objects) {
  Offences offences;
  const std::vector<PodTemplate> pods = pods_of(objects);
  const auto check = [&](const Object& object, const Object& selector) {
    const bool is_found = std::any_of(pods.begin(), pods.end(), [&](const PodTemplate& pod) {
      return is_selected(selector, pod.labels);
    });
    if (!is_found) {
      offences.push_back(fmt::format("{}: finds no pod by {}", title_of(object), selector.dump()));
    }
  };
  for (const Object& object : objects) {
    std::vector<Object> selectors;
    collect_selectors(object.value("spec", Object::object()), selectors);
    for (const Object& selector : selectors) check(object, selector);
    if (object.value("kind", "") == "Service")
      check(object, {{"matchLabels", object.at("spec").at("selector")}});
  }
  return offences;
}

Offences against_mpi(const Objects& objects) {
  // The names of ORTE (Open MPI 4) and of PRRTE (Open MPI 5) for the same thing.
  const std::pair<const char*, const char*> names[] = {
      {"OMPI_MCA_orte_default_hostfile", "PRTE_MCA_prte_default_hostfile"},
      {"OMPI_MCA_orte_keep_fqdn_hostnames", "PRTE_MCA_prte_keep_fqdn_hostnames"},
      {"OMPI_MCA_plm_rsh_args", "PRTE_MCA_plm_ssh_args"}};
  Offences offences;
  for (const Object& job : all_of_kind(objects, "MPIJob")) {
    const Object launcher = launcher_of(job);
    Object environment = Object::object();
    for (const Object& variable : launcher.value("env", Object::array())) {
      environment[variable.at("name").get<std::string>()] = variable.value("value", "");
    }
    for (const auto& [orte, prrte] : names) {
      if (environment.value(orte, "") != environment.value(prrte, "") ||
          environment.value(orte, "").empty())
        offences.push_back(fmt::format("{} and {} must say the same", orte, prrte));
    }
    if (argument(launcher, "--hostfile") != "/etc/mpi/hostfile")
      offences.push_back("mpirun is not told the hostfile");
    if (job.value("/spec/launcherCreationPolicy"_json_pointer, "") != "WaitForWorkersReady")
      offences.push_back("the launcher does not wait for the workers");
    if (job.value("/spec/runPolicy/cleanPodPolicy"_json_pointer, "") != "Running")
      offences.push_back("workers stay behind");
    if (job.value("/spec/runPolicy/backoffLimit"_json_pointer, 6) > 3)
      offences.push_back("too many attempts");
  }
  return offences;
}

Offences against_all(const Objects& objects) {
  // What is of the wrong shape cannot be looked at further.
  Offences all = against_fields(objects);
  if (!all.empty()) return all;
  for (const Offences& offences :
       {against_restricted(objects), against_isolation(objects), against_images(objects),
        against_tokens(objects), against_world(objects),
        against_references(objects, {"softmoe-runs", "softmoe-data"}), against_selectors(objects),
        against_volumes(objects), against_mpi(objects), against_endings(objects)}) {
    all.insert(all.end(), offences.begin(), offences.end());
  }
  return all;
}

}  // namespace softmoe::test
