// deploy/k8s as kubectl renders it.

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "tests/integration/workplace.h"
#include "tests/kubernetes/rules.h"

namespace softmoe::test {
namespace {

using namespace nlohmann::literals;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

std::vector<std::string> names_in(const Object& list) {
  std::vector<std::string> names;
  for (const Object& entry : list) names.push_back(entry.at("name"));
  return names;
}

std::vector<std::string> titles_of(const Objects& objects) {
  std::vector<std::string> titles;
  for (const Object& object : objects) {
    const std::string title = title_of(object);
    titles.push_back(title.starts_with("ConfigMap/run-") ? "ConfigMap/run" : title);
  }
  return titles;
}

class Overlay : public testing::TestWithParam<const char*> {};

INSTANTIATE_TEST_SUITE_P(All, Overlay, testing::Values("cpu", "gpu", "kueue"),
                         [](const auto& of) { return std::string(of.param); });

TEST_P(Overlay, RendersTheObjectsOfARun) {
  if (!has_tools()) return;

  const Objects objects = render_deployed(fmt::format("overlays/{}", GetParam()));

  EXPECT_THAT(
      titles_of(objects),
      UnorderedElementsAre("ServiceAccount/softmoe", "ConfigMap/run", "Service/coordinator",
                           "PersistentVolumeClaim/coordinator", "Deployment/coordinator",
                           "PodDisruptionBudget/coordinator", "PodDisruptionBudget/launcher",
                           "PodDisruptionBudget/workers", "MPIJob/train",
                           "NetworkPolicy/coordinator", "NetworkPolicy/train"));
  for (const Object& object : objects) EXPECT_EQ(object["metadata"]["namespace"], "softmoe");
}

TEST_P(Overlay, KeepsEveryRule) {
  if (!has_tools()) return;

  EXPECT_THAT(against_all(render_deployed(fmt::format("overlays/{}", GetParam()))), IsEmpty());
}

// What a merge patch would have lost.
TEST_P(Overlay, KeepsTheContainersOfTheJobWhole) {
  if (!has_tools()) return;
  const Objects objects = render_deployed(fmt::format("overlays/{}", GetParam()));
  const Object job = find(objects, "MPIJob", "train");

  const Object launcher =
      job.at("/spec/mpiReplicaSpecs/Launcher/template/spec/containers"_json_pointer);
  const Object worker =
      job.at("/spec/mpiReplicaSpecs/Worker/template/spec/containers"_json_pointer);
  const bool is_gpu = std::string(GetParam()) == "gpu";

  ASSERT_EQ(launcher.size(), 1U);
  ASSERT_EQ(worker.size(), 1U);
  EXPECT_EQ(launcher[0]["env"].size(), is_gpu ? 12U : 11U);
  EXPECT_THAT(names_in(launcher[0]["volumeMounts"]), ElementsAre("tmp"));
  EXPECT_THAT(names_in(worker[0]["volumeMounts"]),
              ElementsAre("run", "own-secrets", "runs", "data", "tmp", "shm"));
  const std::string tag = is_gpu ? "0.1.0-cuda" : "0.1.0";
  EXPECT_EQ(launcher[0]["image"], "softmoe-mpi:" + tag);
  EXPECT_EQ(worker[0]["image"], "softmoe-mpi:" + tag);
  EXPECT_EQ(
      job.at("/spec/mpiReplicaSpecs/Worker/template/spec/initContainers/0/image"_json_pointer),
      "softmoe-mpi:" + tag);
}

TEST(NetworkPolicies, LetThroughWhatARunNeedsAndNothingElse) {
  if (!has_tools()) return;
  const Objects objects = render_deployed("overlays/cpu");
  const Object train = find(objects, "NetworkPolicy", "train")["spec"];
  const Object coordinator = find(objects, "NetworkPolicy", "coordinator")["spec"];
  const Object of_train = {
      {"podSelector", {{"matchLabels", {{"app.kubernetes.io/component", "train"}}}}}};
  const Object of_coordinator = {
      {"podSelector", {{"matchLabels", {{"app.kubernetes.io/component", "coordinator"}}}}}};

  const Object both = Object::array({"Ingress", "Egress"});
  EXPECT_EQ(train["policyTypes"], both);
  EXPECT_EQ(coordinator["policyTypes"], both);
  ASSERT_EQ(train["ingress"].size(), 2U);
  EXPECT_EQ(train["ingress"][0], Object({{"from", Object::array({of_train})}}));
  ASSERT_EQ(train["egress"].size(), 3U);
  EXPECT_EQ(train["egress"][0], Object({{"to", Object::array({of_train})}}));
  EXPECT_EQ(train["egress"][1]["to"], Object::array({of_coordinator}));
  EXPECT_EQ(train["egress"][1]["ports"][0]["port"], 7070);
  EXPECT_EQ(train["egress"][2]["ports"][0]["port"], 53);
  EXPECT_EQ(coordinator["egress"], Object::array());
  ASSERT_EQ(coordinator["ingress"].size(), 2U);
  EXPECT_EQ(coordinator["ingress"][0]["from"], Object::array({of_train}));
  EXPECT_EQ(coordinator["ingress"][0]["ports"][0]["port"], 7070);
  // Prometheus: by expressions, which no kustomization adds labels to.
  for (const Object& policy : {train, coordinator}) {
    const Object& from = policy["ingress"][1]["from"][0];
    EXPECT_TRUE(from["podSelector"].contains("matchExpressions"));
    EXPECT_FALSE(from["podSelector"].contains("matchLabels"));
    EXPECT_TRUE(from["namespaceSelector"].contains("matchExpressions"));
  }
}

TEST(OverlayKueue, HandsTheJobToItsQueueSuspended) {
  if (!has_tools()) return;

  const Object job = find(render_deployed("overlays/kueue"), "MPIJob", "train");

  EXPECT_EQ(job["metadata"]["labels"]["kueue.x-k8s.io/queue-name"], "softmoe");
  EXPECT_EQ(job["spec"]["runPolicy"]["suspend"], true);
}

TEST(OverlayGpu, AsksForAGpuForEachRankAndToleratesTheirTaint) {
  if (!has_tools()) return;

  const Object job = find(render_deployed("overlays/gpu"), "MPIJob", "train");
  const Object pod = job.at("/spec/mpiReplicaSpecs/Worker/template/spec"_json_pointer);

  EXPECT_EQ(pod.at("/containers/0/resources/limits"_json_pointer)["nvidia.com/gpu"],
            job["spec"]["slotsPerWorker"]);
  EXPECT_EQ(pod.at("/tolerations/0/key"_json_pointer), "nvidia.com/gpu");
  EXPECT_FALSE(
      job.at("/spec/mpiReplicaSpecs/Launcher/template/spec"_json_pointer).contains("tolerations"));
}

TEST(Setup, MakesARestrictedNamespaceAndClaimsThatNoRunOwns) {
  if (!has_tools()) return;

  const Objects objects = render_deployed("setup/base");

  EXPECT_THAT(against_fields(objects), IsEmpty());
  EXPECT_THAT(titles_of(objects),
              UnorderedElementsAre("Namespace/softmoe", "PersistentVolumeClaim/softmoe-runs",
                                   "PersistentVolumeClaim/softmoe-data"));
  EXPECT_EQ(find(objects, "Namespace",
                 "softmoe")["metadata"]["labels"]["pod-security.kubernetes.io/enforce"],
            "restricted");
  EXPECT_EQ(find(objects, "PersistentVolumeClaim", "softmoe-runs")["spec"]["accessModes"],
            Object::array({"ReadWriteMany"}));
  EXPECT_THAT(against_fields(render_deployed("setup/kind")), IsEmpty());
}

TEST(Setup, HasAPodForFilesThatItsNamespaceAdmits) {
  if (!has_tools()) return;
  Objects objects = read_yaml(std::string(SOFTMOE_SOURCE_DIR) + "/deploy/k8s/setup/files.yaml");

  EXPECT_THAT(against_fields(objects), IsEmpty());
  EXPECT_THAT(against_restricted(objects), IsEmpty());
  EXPECT_THAT(against_isolation(objects), IsEmpty());
  EXPECT_THAT(against_images(objects), IsEmpty());
  EXPECT_THAT(against_volumes(objects), IsEmpty());
  EXPECT_THAT(against_references(objects, {"softmoe-runs", "softmoe-data"}), IsEmpty());
}

TEST(Certificates, TakeThePlaceOfTokens) {
  if (!has_tools()) return;
  const TemporaryDirectory place;
  const std::string deploy = std::filesystem::relative(
      std::string(SOFTMOE_SOURCE_DIR) + "/deploy/k8s", std::filesystem::canonical(place.path()));
  write_file(
      place / "kustomization.yaml",
      fmt::format("resources: [{0}/overlays/gpu]\ncomponents: [{0}/components/certificates]\n",
                  deploy));

  const Objects objects = render(place.path());

  EXPECT_THAT(against_all(objects), IsEmpty());
  EXPECT_EQ(Object(objects).dump().find("token_file"), std::string::npos);
  EXPECT_EQ(Object(objects).dump().find("softmoe-tokens"), std::string::npos);
}

// Every key=value in the commands is one that the program knows, and the example run can be run.
TEST(Commands, UseKeysThatTheProgramKnows) {
  if (!has_tools()) return;
  const Ended keys = run_program({.words = {SOFTMOE_PROGRAM, "train", "--keys"},
                                  .directory = std::filesystem::path(SOFTMOE_SOURCE_DIR)});
  for (const char* overlay : {"overlays/cpu", "overlays/gpu"}) {
    for (const PodTemplate& pod : pods_of(render_deployed(overlay))) {
      for (const Object& word : pod.spec.at("containers").at(0).value("args", Object::array())) {
        const std::string text = word;
        const std::size_t equals = text.find('=');
        if (equals == std::string::npos) continue;
        const std::string key = fmt::format("`{}`", text.substr(0, equals));
        EXPECT_NE(keys.output.find(key), std::string::npos) << key << " is no key of the program";
      }
    }
  }
}

TEST(Fields, OfAKindWithoutATableAreRefused) {
  Object unknown = {{"kind", "CronJob"}, {"metadata", {{"name", "x"}}}};

  EXPECT_THAT(against_fields({unknown}), ElementsAre("CronJob/x: a kind without a table"));
}

}  // namespace
}  // namespace softmoe::test
