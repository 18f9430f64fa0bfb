#pragma once

// What kubectl makes of a folder of deploy/k8s, as JSON.

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/integration/run_program.h"

namespace softmoe::test {

using Object = nlohmann::json;
using Objects = std::vector<Object>;

/// Skips the running test (fails it where CI=true) unless kubectl with kustomize 5 and a python3
/// with PyYAML are here. @return whether they are
[[nodiscard]] bool has_tools();

/// The objects of a kustomization in the order of kubectl. A folder that does not render fails the
/// test and gives none.
[[nodiscard]] Objects render(const std::filesystem::path& folder);
/// deploy/k8s/PLACE.
[[nodiscard]] Objects render_deployed(const std::string& place);
/// The documents of a file.
[[nodiscard]] Objects read_yaml(const std::filesystem::path& file);

/// The object of that kind and name. Fails the test and gives null if there is none, or more.
[[nodiscard]] Object find(const Objects& objects, const std::string& kind, const std::string& name);
[[nodiscard]] Objects all_of_kind(const Objects& objects, const std::string& kind);

/// "MPIJob/train".
[[nodiscard]] std::string title_of(const Object& object);

/// The program of that name on the PATH; empty: none.
[[nodiscard]] std::string find_program(const std::string& name);

/// The specs of all pods that the objects make, by a title: "MPIJob/train/Worker".
struct PodTemplate {
  std::string title;
  Object labels;  ///< with those that the MPI operator adds
  Object spec;
};
[[nodiscard]] std::vector<PodTemplate> pods_of(const Objects& objects);

}  // namespace softmoe::test
