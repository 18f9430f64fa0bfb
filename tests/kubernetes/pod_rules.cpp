// Rules that each pod keeps by itself.

#include <fmt/format.h>

#include <functional>
#include <map>
#include <set>

#include "tests/kubernetes/rules.h"

namespace softmoe::test {

namespace {

using namespace nlohmann::literals;

constexpr int kWorstSaveSeconds = 150;  // of which the grace is twice

Offences for_pods(const Objects& objects,
                  const std::function<void(const PodTemplate&, Offences&)>& check) {
  Offences offences;
  for (const PodTemplate& pod : pods_of(objects)) {
    Offences found;
    check(pod, found);
    for (const std::string& offence : found) offences.push_back(pod.title + ": " + offence);
  }
  return offences;
}

std::vector<Object> containers_of(const Object& spec) {
  std::vector<Object> all;
  for (const char* list : {"initContainers", "containers"}) {
    for (const Object& container : spec.value(list, Object::array())) all.push_back(container);
  }
  return all;
}

/// Bytes of "512Mi" or "2G"; a number without a unit counts itself.
double bytes_of(const std::string& quantity) {
  static const std::map<std::string, double> kUnits = {
      {"", 1},      {"k", 1e3},      {"M", 1e6},      {"G", 1e9},
      {"Ki", 1024}, {"Mi", 1 << 20}, {"Gi", 1 << 30}, {"Ti", 1099511627776.0},
  };
  std::size_t digits = 0;
  const double number = std::stod(quantity, &digits);
  return number * kUnits.at(quantity.substr(digits));
}

void check_container_security(const Object& container, Offences& offences) {
  const std::string name = container.value("name", "?");
  const Object security = container.value("securityContext", Object::object());
  if (security.value("allowPrivilegeEscalation", true))
    offences.push_back(name + ": allowPrivilegeEscalation must be false");
  if (security.value("/capabilities/drop"_json_pointer, Object()) != Object({"ALL"}))
    offences.push_back(name + ": must drop ALL capabilities");
  for (const Object& added : security.value("/capabilities/add"_json_pointer, Object::array())) {
    if (added != "NET_BIND_SERVICE") offences.push_back(name + ": adds capability " + added.dump());
  }
  if (security.value("privileged", false)) offences.push_back(name + ": is privileged");
  if (!security.value("readOnlyRootFilesystem", false))
    offences.push_back(name + ": readOnlyRootFilesystem must be true");
  if (security.contains("runAsUser") && security["runAsUser"] == 0)
    offences.push_back(name + ": runs as root");
  if (security.value("procMount", "Default") != "Default")
    offences.push_back(name + ": unmasks /proc");
}

void check_pod_security(const PodTemplate& pod, Offences& offences) {
  const Object security = pod.spec.value("securityContext", Object::object());
  if (!security.value("runAsNonRoot", false)) offences.push_back("runAsNonRoot must be true");
  for (const char* id : {"runAsUser", "runAsGroup", "fsGroup"}) {
    if (security.value(id, 0) <= 0)
      offences.push_back(fmt::format("{} must be a number above 0", id));
  }
  if (security.value("/seccompProfile/type"_json_pointer, "") != "RuntimeDefault")
    offences.push_back("seccompProfile must be RuntimeDefault");
  static const std::set<std::string> kVolumes = {"configMap", "csi",       "downwardAPI",
                                                 "emptyDir",  "ephemeral", "persistentVolumeClaim",
                                                 "projected", "secret"};
  for (const Object& volume : pod.spec.value("volumes", Object::array())) {
    for (const auto& [key, unused] : volume.items()) {
      if (key != "name" && !kVolumes.contains(key))
        offences.push_back("a volume of the kind " + key);
    }
  }
  for (const Object& container : containers_of(pod.spec))
    check_container_security(container, offences);
}

/// What memory holds counts against the limit of the container that mounts it.
void check_memory(const Object& container, const std::map<std::string, Object>& volumes,
                  Offences& offences) {
  double held = 0;
  for (const Object& mount : container.value("volumeMounts", Object::array())) {
    const auto volume = volumes.find(mount.value("name", ""));
    if (volume == volumes.end()) {
      offences.push_back("mounts no volume of the pod: " + mount.dump());
      continue;
    }
    if (volume->second.value("/emptyDir/medium"_json_pointer, "") != "Memory") continue;
    held += bytes_of(volume->second.value("/emptyDir/sizeLimit"_json_pointer, std::string("0")));
  }
  const std::string limit =
      container.value("/resources/limits/memory"_json_pointer, std::string("0"));
  if (held >= bytes_of(limit)) {
    offences.push_back(fmt::format("{}: volumes in memory may fill the limit of {}",
                                   container.value("name", "?"), limit));
  }
}

void check_training_pod(const PodTemplate& pod, const Object& container, Offences& offences) {
  if (pod.spec.value("terminationGracePeriodSeconds", 30) < 2 * kWorstSaveSeconds)
    offences.push_back("less than twice the time of the worst save to end in");
  if (container.contains("livenessProbe"))
    offences.push_back("a liveness probe: it would end a rank that saves slowly");
  if (!container.contains("/lifecycle/preStop/exec/command"_json_pointer))
    offences.push_back("no preStop: the ranks are not asked to save");
}

}  // namespace

Offences against_restricted(const Objects& objects) {
  return for_pods(objects, check_pod_security);
}

Offences against_isolation(const Objects& objects) {
  return for_pods(objects, [](const PodTemplate& pod, Offences& offences) {
    for (const char* key : {"hostNetwork", "hostPID", "hostIPC"}) {
      if (pod.spec.value(key, false)) offences.push_back(key);
    }
    for (const Object& volume : pod.spec.value("volumes", Object::array())) {
      if (volume.contains("hostPath")) offences.push_back("hostPath " + volume.dump());
    }
    for (const Object& container : containers_of(pod.spec)) {
      for (const Object& port : container.value("ports", Object::array())) {
        if (port.value("hostPort", 0) != 0) offences.push_back("hostPort " + port.dump());
      }
    }
  });
}

Offences against_images(const Objects& objects) {
  return for_pods(objects, [](const PodTemplate& pod, Offences& offences) {
    for (const Object& container : containers_of(pod.spec)) {
      const std::string image = container.value("image", "");
      const std::size_t slash = image.rfind('/');
      const std::string last = image.substr(slash == std::string::npos ? 0 : slash + 1);
      const bool is_pinned = last.find('@') != std::string::npos ||
                             (last.find(':') != std::string::npos && !last.ends_with(":latest"));
      if (!is_pinned) offences.push_back("image '" + image + "' may be another one tomorrow");
    }
  });
}

Offences against_tokens(const Objects& objects) {
  Offences offences = for_pods(objects, [](const PodTemplate& pod, Offences& found) {
    if (pod.spec.value("automountServiceAccountToken", true)) found.push_back("mounts a token");
    if (pod.spec.value("serviceAccountName", "default") == "default")
      found.push_back("runs as the account `default`");
  });
  for (const Object& account : all_of_kind(objects, "ServiceAccount")) {
    if (account.value("automountServiceAccountToken", true))
      offences.push_back(title_of(account) + ": mounts a token");
  }
  return offences;
}

Offences against_volumes(const Objects& objects) {
  return for_pods(objects, [](const PodTemplate& pod, Offences& offences) {
    std::map<std::string, Object> volumes;
    for (const Object& volume : pod.spec.value("volumes", Object::array())) {
      volumes[volume.at("name")] = volume;
      if (volume.contains("emptyDir") && !volume["emptyDir"].contains("sizeLimit"))
        offences.push_back("an emptyDir without an end: " + volume.dump());
    }
    bool has_tmp = false;
    for (const Object& container : containers_of(pod.spec)) {
      check_memory(container, volumes, offences);
      for (const Object& mount : container.value("volumeMounts", Object::array())) {
        const Object& volume = volumes[mount.value("name", "")];
        has_tmp = has_tmp || mount.value("mountPath", "") == "/tmp";
        const bool is_ours =
            volume.contains("emptyDir") || volume.contains("persistentVolumeClaim");
        if (!is_ours && !mount.value("readOnly", false))
          offences.push_back("mounted to be written to: " + mount.dump());
      }
    }
    if (!has_tmp) offences.push_back("nowhere to write: no volume at /tmp");
    if (!pod.title.ends_with("/Worker")) return;
    const Object shm = volumes["shm"];
    if (shm.value("/emptyDir/medium"_json_pointer, "") != "Memory")
      offences.push_back("/dev/shm is the default of 64 MiB");
  });
}

Offences against_endings(const Objects& objects) {
  return for_pods(objects, [](const PodTemplate& pod, Offences& offences) {
    const Object& container = pod.spec.at("containers").at(0);
    if (pod.title.ends_with("/Launcher")) return check_training_pod(pod, container, offences);
    if (pod.title.ends_with("/Worker")) {
      check_training_pod(pod, container, offences);
      if (container.value("/readinessProbe/tcpSocket/port"_json_pointer, Object()) != "ssh")
        offences.push_back("not ready by sshd");
      return;
    }
    const std::pair<const char*, const char*> probes[] = {
        {"startupProbe", "/livez"}, {"livenessProbe", "/livez"}, {"readinessProbe", "/readyz"}};
    for (const auto& [probe, path] : probes) {
      const Object get = container.value(Object::json_pointer(fmt::format("/{}/httpGet", probe)),
                                         Object::object());
      if (get.value("path", "") != path || get.value("port", Object()) != "metrics")
        offences.push_back(fmt::format("{} must ask {} of the port metrics", probe, path));
    }
  });
}

}  // namespace softmoe::test
