#include "launcher/submit/kubernetes_order.h"

#include <gmock/gmock.h>

#include "runtime/base/errors.h"

namespace softmoe::launcher {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

std::string text_of(const std::vector<KubernetesFile>& files, const std::string& name) {
  for (const KubernetesFile& file : files) {
    if (file.name == name) return file.text;
  }
  ADD_FAILURE() << "no " << name;
  return "";
}

TEST(KubernetesOrder, CountsTheRanksOfTheOverlayUnlessToldOthers) {
  KubernetesOrder order{.workers = 3};
  EXPECT_EQ(order.world(), 3);

  order.overlay = KubernetesOverlay::gpu;
  EXPECT_EQ(order.world(), 24);

  order.ranks_per_worker = 4;
  EXPECT_EQ(order.world(), 12);
}

TEST(KubernetesOrder, WritesTheRunBesideAKustomizationAboveTheOverlay) {
  const auto files = kustomization_of({.workers = 3}, "../deploy/k8s", "model: {}\n");

  EXPECT_EQ(text_of(files, "run.yaml"), "model: {}\n");
  EXPECT_THAT(text_of(files, "kustomization.yaml"),
              AllOf(HasSubstr("../deploy/k8s/overlays/cpu"), Not(HasSubstr("namePrefix")),
                    Not(HasSubstr("images")), Not(HasSubstr("components"))));
}

TEST(KubernetesOrder, ReplacesAnArgumentOnlyBehindItsFlag) {
  const auto files = kustomization_of({.workers = 3}, "d", "");

  // If the command changes, rendering fails and no wrong word is written.
  EXPECT_THAT(text_of(files, "MPIJob-train.json"),
              AllOf(HasSubstr("\"test\""), HasSubstr("--expect-world")));
}

TEST(NameOfARun, IsWhatPodsMayBeCalled) {
  for (const char* name : {"a", "first", "run-7", "abcdefghijklmnopqrstuvwxyzabcdefghijklmn"}) {
    EXPECT_EQ(fault_of_name(name), "") << name;
  }
  for (const char* name : {"", "-a", "a-", "7a", "A", "a_b", "a.b", "a b", "ä", "a\n",
                           "abcdefghijklmnopqrstuvwxyzabcdefghijklmno"}) {
    EXPECT_NE(fault_of_name(name), "") << name;
  }
}

TEST(Image, NeedsATagOfItsOwnOrADigest) {
  for (const char* image : {"softmoe:1", "reg.example.org:5000/a/softmoe:1.2", "a@sha256:00",
                            "reg:5000/a:1@sha256:00"}) {
    EXPECT_EQ(fault_of_image(image), "") << image;
  }
  for (const char* image :
       {"", "softmoe", "softmoe:latest", "reg:5000/softmoe", "a:", ":1", "a b:1", "a@"}) {
    EXPECT_NE(fault_of_image(image), "") << image;
  }
}

TEST(Settings, ThatPodsCannotHoldAreRefusedTogether) {
  EXPECT_NO_THROW(
      check_settings({"training.steps=5"}, {{"data.corpus", "/data/x"}, {"data.train", ""}}));

  try {
    check_settings({"run.folder=x", "metrics.listen=y"}, {{"data.corpus", "data/demo"}});
    ADD_FAILURE() << "nothing was refused";
  } catch (const ConfigError& error) {
    EXPECT_THAT(std::string(error.what()),
                AllOf(HasSubstr("run.folder"), HasSubstr("metrics.listen"),
                      HasSubstr("data.corpus=/data/...")));
  }
}

}  // namespace
}  // namespace softmoe::launcher
