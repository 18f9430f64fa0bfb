// Mistakes that people make in manifests, planted one by one: the rules have to find each.

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "tests/kubernetes/rules.h"

namespace softmoe::test {
namespace {

using testing::Contains;
using testing::HasSubstr;

const std::string kLauncherPod = "/spec/mpiReplicaSpecs/Launcher/template/spec";
const std::string kWorkerPod = "/spec/mpiReplicaSpecs/Worker/template/spec";
const std::string kWorker = kWorkerPod + "/containers/0";

/// One operation of JSON Patch on one object, and what has to be said of it.
struct Mistake {
  std::string title;
  std::string operation;
  std::string path;
  Object value;
  std::string said;
};

std::vector<Mistake> mistakes() {
  const std::string job = "MPIJob/train";
  const std::string pod = "Deployment/coordinator";
  const std::string security = kWorker + "/securityContext";
  return {
      {job, "add", "/spec/worldSize", 2, "has no field 'worldSize'"},
      {job, "add", "/spec/runPolicy/backoffLimit", "2", "is no int"},
      {job, "add", "/spec/mpiReplicaSpecs/Worker/restartPolicy", "ExitCode",
       "is no Never|OnFailure"},
      {job, "remove", "/spec/mpiReplicaSpecs/Worker/template", {}, "needs 'template'"},
      {job, "add", kWorker + "/imagePullpolicy", "Always", "has no field 'imagePullpolicy'"},
      {job, "add", kWorker + "/resources/limits/memory", "2 Gi", "is no quantity"},
      {job, "add", "/apiVersion", "kubeflow.org/v1", "is no =kubeflow.org/v2beta1"},
      {job, "add", "/spec/mpiReplicaSpecs/Worker/replicas", 3, "--expect-world of the ranks is 2"},
      {job, "add", "/spec/slotsPerWorker", 2, "--map-by is ppr:1:node"},
      {job, "add", "/spec/slotsPerWorker", 2, "number of ports of metrics is 1"},
      {job, "add", kWorkerPod + "/volumes/0/configMap/name", "run", "there is no ConfigMap"},
      {job, "add", kWorkerPod + "/serviceAccountName", "other", "there is no ServiceAccount"},
      {job, "add", kLauncherPod + "/containers/0/env/1/value", "coordinate", "there is no Service"},
      {job, "add", kWorkerPod + "/hostNetwork", true, "hostNetwork"},
      {job,
       "add",
       kWorkerPod + "/volumes/6",
       {{"name", "shm"}, {"hostPath", {{"path", "/dev/shm"}}}},
       "hostPath"},
      {job, "add", kWorker + "/image", "softmoe-mpi", "may be another one tomorrow"},
      {job, "add", kWorker + "/image", "reg:5000/softmoe-mpi:latest",
       "may be another one tomorrow"},
      {job, "remove", kWorkerPod + "/automountServiceAccountToken", {}, "mounts a token"},
      {job, "add", security + "/capabilities/add", Object::array({"IPC_LOCK"}), "adds capability"},
      {job, "remove", security + "/capabilities/drop", {}, "must drop ALL"},
      {job, "add", security + "/readOnlyRootFilesystem", false, "readOnlyRootFilesystem"},
      {job, "remove", security + "/allowPrivilegeEscalation", {}, "allowPrivilegeEscalation"},
      {job, "remove", kWorkerPod + "/securityContext/runAsUser", {}, "runAsUser must be a number"},
      {job, "remove", kWorkerPod + "/securityContext/seccompProfile", {}, "seccompProfile"},
      {job, "remove", kWorkerPod + "/securityContext/runAsNonRoot", {}, "runAsNonRoot"},
      {job, "remove", kLauncherPod + "/terminationGracePeriodSeconds", {}, "less than twice"},
      {job,
       "add",
       kWorker + "/livenessProbe",
       {{"tcpSocket", {{"port", "ssh"}}}},
       "a liveness probe"},
      {job, "remove", kWorker + "/readinessProbe", {}, "not ready by sshd"},
      {job, "remove", kLauncherPod + "/containers/0/lifecycle", {}, "no preStop"},
      {job, "remove", kLauncherPod + "/containers/0/env/5", {}, "must say the same"},
      {job, "remove", kLauncherPod + "/containers/0/args/0", {}, "not told the hostfile"},
      {job, "remove", "/spec/launcherCreationPolicy", {}, "does not wait for the workers"},
      {job, "remove", kWorkerPod + "/volumes/6/emptyDir/medium", {}, "the default of 64 MiB"},
      {job, "add", kWorkerPod + "/volumes/6/emptyDir/sizeLimit", "4Gi", "may fill the limit"},
      {job, "remove", kWorkerPod + "/volumes/5/emptyDir/sizeLimit", {}, "without an end"},
      {job, "remove", kWorkerPod + "/volumes/5", {}, "mounts no volume"},
      {job,
       "remove",
       "/spec/mpiReplicaSpecs/Worker/template/metadata/labels/app.kubernetes.io~1component",
       {},
       "finds no pod"},
      {pod, "add", "/spec/template/spec/containers/0/args/4", "4", "of the coordinator is 4"},
      {pod, "add", "/spec/template/spec/containers/0/livenessProbe/httpGet/path", "/metrics",
       "must ask /livez"},
      {pod, "remove", "/spec/template/spec/containers/0/startupProbe", {}, "must ask /livez"},
      {"PodDisruptionBudget/workers", "add", "/spec/minAvailable", "50%",
       "minAvailable is \"50%\""},
      {"PodDisruptionBudget/workers",
       "remove",
       "/spec/unhealthyPodEvictionPolicy",
       {},
       "not AlwaysAllow"},
      {"Service/coordinator", "add", "/spec/selector/app.kubernetes.io~1component", "x",
       "finds no pod"},
      {"NetworkPolicy/train", "add", "/spec/ingress/1/ports/0/port", 9465, "last port open"},
      {"ServiceAccount/softmoe", "remove", "/automountServiceAccountToken", {}, "mounts a token"},
  };
}

Objects with(const Mistake& mistake, Objects objects) {
  Object operation = {{"op", mistake.operation}, {"path", mistake.path}};
  if (mistake.operation == "add") {
    // `add` at an index inserts; a mistake takes the place of what was there.
    operation["value"] = mistake.value;
    for (const Object& object : objects) {
      if (title_of(object) == mistake.title && object.contains(Object::json_pointer(mistake.path)))
        operation["op"] = "replace";
    }
  }
  for (Object& object : objects) {
    if (title_of(object) == mistake.title) object = object.patch(Object::array({operation}));
  }
  return objects;
}

TEST(PlantedMistakes, AreFoundEachAndNamed) {
  if (!has_tools()) return;
  const Objects objects = render_deployed("overlays/cpu");

  for (const Mistake& mistake : mistakes()) {
    SCOPED_TRACE(fmt::format("{} {} {}", mistake.title, mistake.path, mistake.value.dump()));
    EXPECT_THAT(against_all(with(mistake, objects)), Contains(HasSubstr(mistake.said)));
  }
}

}  // namespace
}  // namespace softmoe::test
