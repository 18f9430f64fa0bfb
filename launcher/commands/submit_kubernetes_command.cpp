#include "launcher/commands/submit_kubernetes_command.h"

#include <fmt/format.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>

#include "launcher/run/launch_environment.h"
#include "launcher/run/run_config.h"
#include "launcher/run/unavailable.h"
#include "launcher/submit/child_program.h"
#include "runtime/config/resolved_yaml.h"
#include "runtime/storage/atomic_file.h"
#include "runtime/storage/posix_file_system.h"

namespace softmoe::launcher {

namespace {

using storage::Path;

/// A cluster's API server may be far away; rendering takes a tenth of a second.
constexpr std::chrono::minutes kPatience{5};

/// A folder that goes with everything in it.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "softmoe-k8s-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) {
      throw StorageError(StorageError::Kind::cannot_write,
                         fmt::format("cannot make a folder like {}: set TMPDIR", name));
    }
    path_ = name;
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  [[nodiscard]] const Path& path() const { return path_; }

 private:
  Path path_;
};

/// deploy/k8s: as given, in the working directory, in the tree that the program was built in, or
/// installed with it.
Path find_manifests(const std::string& given) {
  std::error_code ignored;
  const Path here = std::filesystem::read_symlink("/proc/self/exe", ignored).parent_path();
  std::vector<Path> places = {given};
  if (given.empty()) {
    places = {"deploy/k8s", here / "../../../deploy/k8s", here / "../share/softmoe/deploy/k8s"};
  }
  for (const Path& place : places) {
    if (std::filesystem::exists(place / "base/kustomization.yaml", ignored))
      return std::filesystem::canonical(place);
  }
  throw StorageError(
      StorageError::Kind::missing,
      fmt::format("there is no {}: name the folder deploy/k8s of the sources with --manifests",
                  (places.front() / "base/kustomization.yaml").string()));
}

/// The configuration as the pods read it. Its secrets are no part of it.
std::string run_yaml_of(const SubmitKubernetesOptions& options) {
  const config::Loaded<RunConfig> loaded = load_run_config(
      config::Source::file(options.config_path), options.overrides, options.order.world());
  const training::DataConfig& data = loaded.value.data;
  check_settings(options.overrides, {{"data.corpus", data.corpus},
                                     {"data.train", data.train},
                                     {"data.validation", data.validation}});
  return config::resolved_yaml(loaded);
}

void write_kustomization(const SubmitKubernetesOptions& options, const Path& folder,
                         const std::string& run_yaml) {
  storage::PosixFileSystem files;
  const Path manifests = find_manifests(options.manifests);
  files.make_directories(folder);
  // Kustomize follows relative paths only, from where the folder really is.
  const std::string deploy =
      std::filesystem::relative(manifests, std::filesystem::canonical(folder)).generic_string();
  for (const KubernetesFile& file : kustomization_of(options.order, deploy, run_yaml)) {
    storage::write_file(files, folder / file.name, storage::bytes_of(file.text));
  }
}

/// Runs kubectl. @return what it printed; what it warned of is passed on
std::string kubectl(std::vector<std::string> words) {
  if (!find_program("kubectl", lookup_environment))
    throw Unavailable("there is no `kubectl` on the PATH: install 1.27 or newer, with kustomize 5");
  words.insert(words.begin(), "kubectl");
  const ProgramEnd end = run_to_end(words, Deadline::in(kPatience));
  if (end.code != 0) {
    throw Unavailable(fmt::format("`{}` ended with code {}; it has to be 1.27 or newer:\n{}",
                                  in_shell(words), end.code, trimmed(end.errors)));
  }
  fmt::print(stderr, "{}", end.errors);
  return end.output;
}

std::string name_space_of(const KubernetesOrder& order) {
  return order.name_space.empty() ? "softmoe" : order.name_space;
}

}  // namespace

ExitCode submit_kubernetes(const SubmitKubernetesOptions& options) {
  const std::string run_yaml = run_yaml_of(options);
  if (options.is_dry_run && options.folder.empty()) {
    const TemporaryFolder folder;
    write_kustomization(options, folder.path(), run_yaml);
    fmt::print("{}", kubectl({"kustomize", folder.path().string()}));
    return ExitCode::done;
  }
  const std::string job = options.order.name.empty() ? "train" : options.order.name + "-train";
  const Path folder = options.folder.empty() ? Path("runs/kubernetes") / job : Path(options.folder);
  write_kustomization(options, folder, run_yaml);
  if (options.is_dry_run) {
    fmt::print("{}", kubectl({"kustomize", folder.string()}));
    return ExitCode::done;
  }
  fmt::print("{}", kubectl({"apply", "--server-side", "-k", folder.string()}));
  const std::string name_space = name_space_of(options.order);
  fmt::print(
      "watch:  kubectl -n {0} get mpijob,pods -l app.kubernetes.io/name=softmoe\n"
      "log:    kubectl -n {0} logs -f -l training.kubeflow.org/job-name={1},"
      "training.kubeflow.org/job-role=launcher\n"
      "delete: kubectl delete -k {2}\n",
      name_space, job, folder.string());
  return ExitCode::done;
}

}  // namespace softmoe::launcher
