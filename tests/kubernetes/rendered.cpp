#include "tests/kubernetes/rendered.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <sstream>

#include "tests/support/temporary_directory.h"

namespace softmoe::test {

namespace {

namespace fs = std::filesystem;

const fs::path kRoot = SOFTMOE_SOURCE_DIR;

Ended run(const std::vector<std::string>& words) {
  std::vector<std::string> found = words;
  found.front() = find_program(words.front());
  return run_program({.words = found, .directory = kRoot});
}

/// Debian's own is used where a python3 that lacks PyYAML comes first.
std::string look_for_python() {
  for (const std::string& python : {find_program("python3"), std::string("/usr/bin/python3")}) {
    if (python.empty() || !fs::exists(python)) continue;
    if (run_program({.words = {python, "-c", "import yaml"}, .directory = kRoot}).code == 0)
      return python;
  }
  return "";
}

const std::string& python_with_yaml() {
  static const std::string python = look_for_python();
  return python;
}

/// "v5.5.0" gives 5; 0 where kubectl says nothing of it, as before 1.24.
int kustomize_version() {
  const Ended version = run({"kubectl", "version", "--client", "-o", "json"});
  const Object json = Object::parse(version.output, nullptr, false);
  if (!json.is_object() || !json.contains("kustomizeVersion")) return 0;
  return std::atoi(json["kustomizeVersion"].get<std::string>().c_str() + 1);
}

std::string fault_of_tools() {
  if (find_program("kubectl").empty()) return "there is no kubectl: install 1.27 or newer";
  if (const int version = kustomize_version(); version < 5) {
    return fmt::format("kubectl holds kustomize {}, and 5 is needed: install kubectl 1.27 or newer",
                       version);
  }
  if (python_with_yaml().empty()) return "no PyYAML: apt-get install python3-yaml";
  return "";
}

void skip_or_fail(const std::string& fault) {
  const char* ci = std::getenv("CI");
  if (ci != nullptr && std::string(ci) == "true") {
    ADD_FAILURE() << fault;
  } else {
    GTEST_SKIP() << fault;
  }
}

}  // namespace

std::string find_program(const std::string& name) {
  const char* path = std::getenv("PATH");
  std::istringstream folders(path == nullptr ? "" : path);
  for (std::string folder; std::getline(folders, folder, ':');) {
    std::error_code ignored;
    if (fs::is_regular_file(fs::path(folder) / name, ignored)) return fs::path(folder) / name;
  }
  return "";
}

bool has_tools() {
  static const std::string fault = fault_of_tools();
  if (!fault.empty()) skip_or_fail(fault);
  return fault.empty();
}

Objects read_yaml(const fs::path& file) {
  const Ended ended = run_program(
      {.words = {python_with_yaml(), kRoot / "tests/kubernetes/yaml_to_json.py", file.string()},
       .directory = kRoot});
  EXPECT_EQ(ended.code, 0) << ended.output;
  const Object documents = Object::parse(ended.output, nullptr, false);
  EXPECT_TRUE(documents.is_array()) << ended.output;
  return documents.is_array() ? documents.get<Objects>() : Objects();
}

Objects render(const fs::path& folder) {
  const TemporaryDirectory place;
  const fs::path file = place / "rendered.yaml";
  const Ended ended = run({"kubectl", "kustomize", folder.string(), "-o", file.string()});
  EXPECT_EQ(ended.code, 0) << folder << ": " << ended.output;
  EXPECT_EQ(ended.output, "") << folder << ": a warning";
  return ended.code == 0 ? read_yaml(file) : Objects();
}

Objects render_deployed(const std::string& place) {
  return render(kRoot / "deploy/k8s" / place);
}

std::string title_of(const Object& object) {
  return fmt::format("{}/{}", object.value("kind", "?"),
                     object.value("/metadata/name"_json_pointer, std::string("?")));
}

Objects all_of_kind(const Objects& objects, const std::string& kind) {
  Objects found;
  for (const Object& object : objects) {
    if (object.value("kind", "") == kind) found.push_back(object);
  }
  return found;
}

Object find(const Objects& objects, const std::string& kind, const std::string& name) {
  Object found;
  int count = 0;
  for (const Object& object : objects) {
    if (title_of(object) != kind + "/" + name) continue;
    found = object;
    ++count;
  }
  EXPECT_EQ(count, 1) << kind << "/" << name;
  return found;
}

std::vector<PodTemplate> pods_of(const Objects& objects) {
  std::vector<PodTemplate> pods;
  const auto add = [&](const std::string& title, const Object& holder, const Object& added) {
    const Object& pod = holder.at("template");
    Object labels = pod.value("/metadata/labels"_json_pointer, Object::object());
    labels.update(added);
    pods.push_back({.title = title, .labels = labels, .spec = pod.at("spec")});
  };
  for (const Object& object : objects) {
    if (object.value("kind", "") == "Deployment") {
      add(title_of(object), object.at("spec"), Object::object());
    } else if (object.value("kind", "") == "Pod") {
      pods.push_back({.title = title_of(object),
                      .labels = object.at("metadata").value("labels", Object::object()),
                      .spec = object.at("spec")});
    } else if (object.value("kind", "") == "MPIJob") {
      for (const auto& [role, replica] : object.at("spec").at("mpiReplicaSpecs").items()) {
        add(title_of(object) + "/" + role, replica,
            {{"training.kubeflow.org/job-name", object.at("metadata").at("name")},
             {"training.kubeflow.org/job-role", role == "Worker" ? "worker" : "launcher"}});
      }
    }
  }
  return pods;
}

}  // namespace softmoe::test
