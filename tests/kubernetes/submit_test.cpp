// `softmoe submit k8s`: what it renders is the overlay but for what its flags say.

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <map>
#include <regex>
#include <set>

#include "tests/integration/workplace.h"
#include "tests/kubernetes/rules.h"

namespace softmoe::test {
namespace {

using namespace nlohmann::literals;
using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

const std::string kRoot = SOFTMOE_SOURCE_DIR;

/// A folder with a configuration whose files are where pods have them.
class Submitting : public testing::Test {
 protected:
  Submitting() {
    write_file(folder_ / "run.yaml",
               "model: {layers: 2, experts: {num_experts: 16}}\n"
               "budget: {total: 4}\n"
               "training: {steps: 5}\n"
               "data: {corpus: /data/corpus}\n");
  }

  [[nodiscard]] Ended submit(const Words& words,
                             const std::map<std::string, std::string>& environment = {}) const {
    return run_program(
        {.words = Words{SOFTMOE_PROGRAM, "submit", "k8s", "--config", "run.yaml"} + words,
         .directory = folder_.path(),
         .environment = environment});
  }

  /// What a dry run prints.
  [[nodiscard]] Objects rendered(const Words& words) const {
    const Ended ended = submit(words + Words{"--dry-run", "--manifests", kRoot + "/deploy/k8s"});
    EXPECT_EQ(ended.code, 0) << ended.output;
    write_file(folder_ / "rendered.yaml", ended.output);
    return ended.code == 0 ? read_yaml(folder_ / "rendered.yaml") : Objects();
  }

  TemporaryDirectory folder_;
};

/// Objects by "Kind/name", the generated name of the configuration without its hash.
Object by_title(const Objects& objects) {
  const std::regex hashed("run-[a-z0-9]{10}");
  Object all = Object::object();
  for (const Object& object : objects) {
    const Object plain = Object::parse(std::regex_replace(object.dump(), hashed, "run"));
    all[title_of(plain)] = plain;
  }
  return all;
}

/// Where two sets of objects differ: JSON pointers, the first part without the separator in titles.
std::set<std::string> differences(const Objects& before, const Objects& after) {
  std::set<std::string> paths;
  for (const Object& operation : Object::diff(by_title(before), by_title(after))) {
    paths.insert(
        std::regex_replace(operation.at("path").get<std::string>(), std::regex("~1"), ":"));
  }
  return paths;
}

const std::string kJob = "/MPIJob:train/spec";
const std::string kLauncher = kJob + "/mpiReplicaSpecs/Launcher/template/spec/containers/0";
const std::string kWorker = kJob + "/mpiReplicaSpecs/Worker/template/spec/containers/0";

TEST_F(Submitting, ChangesNothingButTheConfigurationForTheOverlaysOwnWorkers) {
  if (!has_tools()) return;

  for (const char* overlay : {"cpu", "gpu", "kueue"}) {
    const Objects objects = rendered({"--workers", "2", "--overlay", overlay});

    EXPECT_THAT(differences(render_deployed(fmt::format("overlays/{}", overlay)), objects),
                UnorderedElementsAre("/ConfigMap:run/data/run.yaml"));
    EXPECT_THAT(against_all(objects), IsEmpty());
  }
}

TEST_F(Submitting, SaysTheNumberOfWorkersWhereverItCounts) {
  if (!has_tools()) return;

  const Objects objects = rendered({"--workers", "8"});

  EXPECT_THAT(
      differences(render_deployed("overlays/cpu"), objects),
      UnorderedElementsAre("/ConfigMap:run/data/run.yaml",
                           kJob + "/mpiReplicaSpecs/Worker/replicas", kLauncher + "/args/13",
                           "/Deployment:coordinator/spec/template/spec/containers/0/args/4",
                           "/PodDisruptionBudget:workers/spec/minAvailable"));
  EXPECT_THAT(against_all(objects), IsEmpty());
}

TEST_F(Submitting, SaysTheRanksOfAWorkerWhereverTheyCount) {
  if (!has_tools()) return;

  const Objects objects =
      rendered({"--workers", "2", "--ranks-per-worker", "4", "--overlay", "gpu"});

  EXPECT_THAT(differences(render_deployed("overlays/gpu"), objects),
              UnorderedElementsAre(
                  "/ConfigMap:run/data/run.yaml", kJob + "/slotsPerWorker", kLauncher + "/args/3",
                  kLauncher + "/args/13", kWorker + "/resources/limits/nvidia.com:gpu",
                  kWorker + "/ports/5", kWorker + "/ports/6", kWorker + "/ports/7",
                  kWorker + "/ports/8", "/NetworkPolicy:train/spec/ingress/1/ports/0/endPort",
                  "/Deployment:coordinator/spec/template/spec/containers/0/args/4"));
  EXPECT_THAT(against_all(objects), IsEmpty());
}

TEST_F(Submitting, TakesAnImageForRanksAndCoordinator) {
  if (!has_tools()) return;

  const Objects objects = rendered(
      {"--workers", "2", "--image", "registry.example.org:5000/team/softmoe-mpi@sha256:0123"});

  for (const PodTemplate& pod : pods_of(objects)) {
    for (const char* list : {"containers", "initContainers"}) {
      for (const Object& container : pod.spec.value(list, Object::array())) {
        EXPECT_EQ(container["image"], "registry.example.org:5000/team/softmoe-mpi@sha256:0123");
      }
    }
  }
}

TEST_F(Submitting, KeepsRunsOfOneNamespaceApartByTheirNames) {
  if (!has_tools()) return;

  const Objects objects = rendered({"--workers", "2", "--name", "first", "--namespace", "team"});

  EXPECT_THAT(against_all(objects), IsEmpty());
  for (const Object& object : objects) {
    EXPECT_EQ(object["metadata"]["namespace"], "team");
    EXPECT_TRUE(object["metadata"]["name"].get<std::string>().starts_with("first-"))
        << title_of(object);
  }
  for (const PodTemplate& pod : pods_of(objects)) {
    EXPECT_EQ(pod.labels.value("app.kubernetes.io/instance", ""), "first") << pod.title;
  }
  // Another run's pods are no business of this one's.
  const Object policy = find(objects, "NetworkPolicy", "first-train");
  EXPECT_EQ(policy["spec"]["podSelector"]["matchLabels"]["app.kubernetes.io/instance"], "first");
  EXPECT_EQ(policy.at("/spec/ingress/0/from/0/podSelector/matchLabels"_json_pointer)
                ["app.kubernetes.io/instance"],
            "first");
  EXPECT_EQ(find(objects, "Service",
                 "first-coordinator")["spec"]["selector"]["app.kubernetes.io/instance"],
            "first");
}

TEST_F(Submitting, PutsAnyOverlayIntoAQueue) {
  if (!has_tools()) return;

  for (const char* overlay : {"gpu", "kueue"}) {
    const Object job = find(rendered({"--workers", "2", "--overlay", overlay, "--queue", "team-a"}),
                            "MPIJob", "train");

    EXPECT_EQ(job["metadata"]["labels"]["kueue.x-k8s.io/queue-name"], "team-a");
    EXPECT_EQ(job["spec"]["runPolicy"]["suspend"], true);
  }
}

TEST_F(Submitting, GivesPodsTheConfigurationWithItsOverrides) {
  if (!has_tools()) return;

  const Objects objects =
      rendered({"--workers", "2", "training.steps=123", "data.corpus=/data/other"});

  const Object config = all_of_kind(objects, "ConfigMap").at(0);
  write_file(folder_ / "pod.yaml", config["data"]["run.yaml"]);
  EXPECT_THAT(read_file(folder_ / "pod.yaml"),
              AllOf(HasSubstr("steps: 123 "), HasSubstr("corpus: /data/other ")));
  // What the pods read is a configuration that loads.
  const Ended again =
      run_program({.words = {SOFTMOE_PROGRAM, "submit", "k8s", "--config", "pod.yaml", "--workers",
                             "2", "--dry-run", "--manifests", kRoot + "/deploy/k8s"},
                   .directory = folder_.path()});
  EXPECT_EQ(again.code, 0) << again.output;
}

TEST_F(Submitting, LeavesNothingBehindOnADryRun) {
  if (!has_tools()) return;
  const TemporaryDirectory temporary;

  const Ended ended = submit({"--workers", "2", "--dry-run", "--manifests", kRoot + "/deploy/k8s"},
                             {{"TMPDIR", temporary.path()}});

  EXPECT_EQ(ended.code, 0) << ended.output;
  EXPECT_TRUE(std::filesystem::is_empty(temporary.path()));
  EXPECT_FALSE(exists(folder_ / "runs"));
}

TEST_F(Submitting, RefusesAWorldThatTheConfigurationCannotHave) {
  const Ended ended = submit({"--workers", "3", "--dry-run"});

  EXPECT_EQ(ended.code, 78);
  EXPECT_THAT(ended.output, HasSubstr("16 experts cannot be spread evenly over 3"));
}

TEST_F(Submitting, RefusesSettingsThatCouldNotHoldInPodsAllAtOnce) {
  const Ended ended =
      submit({"--workers", "2", "--dry-run", "data.corpus=data/demo", "run.folder=runs/x"});

  EXPECT_EQ(ended.code, 78);
  EXPECT_THAT(ended.output, AllOf(HasSubstr("set data.corpus=/data/..."),
                                  HasSubstr("'run.folder': deploy/k8s/base sets it")));
}

TEST_F(Submitting, RefusesFlagsThatMakeNoSense) {
  const std::pair<Words, std::string> wrong[] = {
      {{"--workers", "0"}, "--workers"},
      {{"--workers", "2", "--ranks-per-worker", "0"}, "--ranks-per-worker"},
      {{"--workers", "2", "--image", "softmoe:latest"}, "give a tag of its own"},
      {{"--workers", "2", "--image", "registry:5000/softmoe"}, "NAME:TAG"},
      {{"--workers", "2", "--name", "My_Run"}, "small letters"},
      {{"--workers", "2", "--overlay", "tpu"}, "--overlay"},
      {{}, "--workers"},
  };
  for (const auto& [words, said] : wrong) {
    const Ended ended = submit(words + Words{"--dry-run"});
    EXPECT_EQ(ended.code, 64) << ended.output;
    EXPECT_THAT(ended.output, HasSubstr(said));
  }
}

TEST_F(Submitting, SaysHowToGetKubectlWhereThereIsNone) {
  const Ended ended = submit({"--workers", "2", "--dry-run", "--manifests", kRoot + "/deploy/k8s"},
                             {{"PATH", folder_.path()}});

  EXPECT_EQ(ended.code, 69);
  EXPECT_THAT(ended.output,
              AllOf(HasSubstr("no `kubectl` on the PATH"), HasSubstr("install 1.27")));
}

TEST_F(Submitting, SaysWhereManifestsAreLookedFor) {
  const Ended ended = submit({"--workers", "2", "--dry-run", "--manifests", "nowhere"});

  EXPECT_EQ(ended.code, 66);
  EXPECT_THAT(ended.output,
              AllOf(HasSubstr("nowhere/base/kustomization.yaml"), HasSubstr("--manifests")));
}

/// A kubectl that writes down its words and ends as the file says.
class FakeKubectl {
 public:
  FakeKubectl(const std::filesystem::path& folder, int code) {
    write_file(folder / "kubectl",
               fmt::format("#!/bin/sh\nfor word in \"$@\"; do echo \"$word\" >>'{0}/words'; done\n"
                           "echo 'no such server' >&2\nexit {1}\n",
                           folder.string(), code));
    std::filesystem::permissions(folder / "kubectl", std::filesystem::perms::owner_all);
  }
};

TEST_F(Submitting, AppliesTheFolderThatItKeepsForDeleting) {
  const FakeKubectl kubectl(folder_.path(), 0);

  const Ended ended =
      submit({"--workers", "2", "--name", "a", "--manifests", kRoot + "/deploy/k8s"},
             {{"PATH", folder_.path()}});

  EXPECT_EQ(ended.code, 0) << ended.output;
  EXPECT_EQ(read_file(folder_ / "words"), "apply\n--server-side\n-k\nruns/kubernetes/a-train\n");
  EXPECT_TRUE(exists(folder_ / "runs/kubernetes/a-train/kustomization.yaml"));
  EXPECT_THAT(ended.output, HasSubstr("delete: kubectl delete -k runs/kubernetes/a-train"));
}

TEST_F(Submitting, PassesOnWhatTheClusterSays) {
  const FakeKubectl kubectl(folder_.path(), 1);

  const Ended ended =
      submit({"--workers", "2", "--manifests", kRoot + "/deploy/k8s"}, {{"PATH", folder_.path()}});

  EXPECT_EQ(ended.code, 69);
  EXPECT_THAT(ended.output, AllOf(HasSubstr("ended with code 1"), HasSubstr("no such server")));
}

}  // namespace
}  // namespace softmoe::test
