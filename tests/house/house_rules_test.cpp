// Each rule of the house is shown what it must refuse and what it must let pass.

#include "tests/house/house_rules.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace softmoe::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

const FolderOrder kOrder = {{"runtime", {}}, {"router", {"runtime"}}, {"budget", {"runtime"}}};

TEST(HouseRules, TheOrderIsReadFromTheTable) {
  const SourceFile cmake{.path = "cmake/SoftmoeHouse.cmake",
                         .lines = {"# words", "set(SOFTMOE_USES_runtime \"\")",
                                   "set(SOFTMOE_USES_model runtime parallel)", "function(f)"}};

  const FolderOrder order = parse_folder_order(cmake);

  EXPECT_EQ(order, (FolderOrder{{"runtime", {}}, {"model", {"runtime", "parallel"}}}));
}

TEST(HouseRules, AnIncludeAgainstTheOrderIsFound) {
  const SourceFiles files = {
      {"router/a.cpp", {"#include \"router/a.h\"", "#include \"budget/b.h\""}},
      {"router/c.cpp", {"#include \"runtime/base/errors.h\"", "#include <vector>"}},
      {"runtime/d.h", {"#pragma once", "#include \"router/a.h\""}},
      {"tests/e.cpp", {"#include \"budget/b.h\"", "#include \"router/a.h\""}}};

  EXPECT_THAT(against_folder_order(files, kOrder),
              ElementsAre(StartsWith("router/a.cpp:2: router/ may not use budget/"),
                          StartsWith("runtime/d.h:2: runtime/ may not use router/")));
}

TEST(HouseRules, ALibraryOutsideItsHomeIsFound) {
  const SourceFiles files = {{"parallel/mpi/world.cpp", {"#include <mpi.h>"}},
                             {"parallel/topology.cpp", {"#include <mpi.h>"}},
                             {"launcher/main.cpp", {"#include <CLI/CLI.hpp>"}},
                             {"training/steps.cpp", {"#include <CLI/CLI.hpp>"}},
                             {"coordinator/service.h", {"#include <grpcpp/grpcpp.h>"}},
                             {"budget/link.h", {"", "#include <grpcpp/grpcpp.h>"}},
                             {"runtime/ops/cuda/gemm.cu", {"#include <cublasLt.h>"}},
                             {"runtime/ops/gemm.cpp", {"#include <cuda_runtime.h>"}},
                             {"model/a.cpp", {"#include \"cblas.h\""}},
                             {"tests/b.cpp", {"#include <yaml-cpp/yaml.h>"}}};

  EXPECT_THAT(against_library_homes(files),
              testing::UnorderedElementsAre(
                  StartsWith("parallel/topology.cpp:1"), StartsWith("training/steps.cpp:1"),
                  StartsWith("budget/link.h:2"), StartsWith("runtime/ops/gemm.cpp:1"),
                  StartsWith("model/a.cpp:1")));
}

TEST(HouseRules, EveryLibraryOfTheTableIsKeptAtHome) {
  for (const std::string header :
       {"mpi.h", "nccl.h", "cuda_runtime.h", "cublas_v2.h", "cblas.h", "oneapi/dnnl/dnnl.h",
        "omp.h", "yaml-cpp/yaml.h", "prometheus/registry.h", "boost/beast.hpp", "grpcpp/server.h",
        "google/protobuf/message.h", "CLI/CLI.hpp", "sentencepiece_processor.h", "gtest/gtest.h",
        "gmock/gmock.h"}) {
    EXPECT_THAT(against_library_homes({{"router/a.h", {"#include <" + header + ">"}}}),
                ElementsAre(HasSubstr(header)));
  }
}

TEST(HouseRules, AKernelThatCannotBeEmulatedIsFound) {
  const SourceFiles files = {
      {"runtime/ops/cuda/a.cu",
       {"kernel<<<1, 32>>>(x);", "asm volatile(\"nop;\");", "__shared__ float tile[32];",
        "launch(&kernel, {.blocks = 1}, stream, x);  // not kernel<<<1, 32>>>(x)"}},
      {"runtime/ops/cuda/b.cu", {"cudaLaunchKernelEx(&config, kernel);"}},
      {"runtime/device/cuda/launch.h", {"check_cuda(cudaLaunchKernelEx(&config, kernel));"}},
      {"runtime/device/cuda/shared_memory.h", {"extern __shared__ unsigned char bytes[];"}},
      {"tests/gpu_emulation/c.cpp", {"__shared__"}}};

  EXPECT_THAT(against_kernel_rules(files),
              testing::UnorderedElementsAre(
                  StartsWith("runtime/ops/cuda/a.cu:1"), StartsWith("runtime/ops/cuda/a.cu:2"),
                  StartsWith("runtime/ops/cuda/a.cu:3"), StartsWith("runtime/ops/cuda/b.cu:1")));
}

TEST(HouseRules, AnIncludeThatDoesNotStartAtTheRootIsFound) {
  const SourceFiles files = {
      {"router/plan.h", {}},
      {"router/plan.cpp", {"#include \"plan.h\""}},
      {"router/other.cpp", {"#include \"router/plan.h\""}},
      {"coordinator/service.cpp", {"#include \"coordinator/proto/control.pb.h\""}}};

  EXPECT_THAT(against_rooted_includes(files), ElementsAre(StartsWith("router/plan.cpp:1")));
}

TEST(HouseRules, AHeaderThatCanBeIncludedTwiceIsFound) {
  const SourceFiles files = {
      {"router/a.h", {"#pragma once"}}, {"router/b.h", {"// #pragma once"}}, {"router/c.cpp", {}}};

  EXPECT_THAT(against_pragma_once(files), ElementsAre(StartsWith("router/b.h:1")));
}

TEST(HouseRules, AFileBeyondItsLimitIsFound) {
  const SourceFiles files = {{"router/a.cpp", std::vector<std::string>(400)},
                             {"router/b.cpp", std::vector<std::string>(401)},
                             {"tests/c.cpp", std::vector<std::string>(600)},
                             {"tests/d.cpp", std::vector<std::string>(601)}};

  EXPECT_THAT(against_file_sizes(files),
              ElementsAre(StartsWith("router/b.cpp:401: 401 lines, the limit is 400"),
                          StartsWith("tests/d.cpp:601: 601 lines, the limit is 600")));
}

TEST(HouseRules, APreprocessorVariantIsFound) {
  const SourceFiles files = {
      {"router/a.cpp", {"#if 1", "#endif"}},
      {"router/b.cpp", {"# ifdef X", "#endif", "#define Y 1"}},
      {"router/c.cpp", {"#include <vector>", "#pragma GCC unroll 4", "// #if"}},
      {"tests/gpu_emulation/cuda_runtime.h", {"#define __global__"}}};

  EXPECT_THAT(against_preprocessor(files),
              ElementsAre(StartsWith("router/a.cpp:1"), StartsWith("router/b.cpp:1"),
                          StartsWith("router/b.cpp:3")));
}

TEST(HouseRules, AReminderIsFound) {
  const SourceFiles files = {{"router/a.cpp",
                              {"// TO"
                               "DO: later"}},
                             {"router/b.cpp",
                              {"int xxx = 0;  // FIX"
                               "ME"}},
                             {"router/c.cpp", {"// METHODOLOGY"}}};

  EXPECT_THAT(against_reminders(files),
              ElementsAre(StartsWith("router/a.cpp:1"), StartsWith("router/b.cpp:1")));
}

TEST(HouseRules, AMachinePathIsFound) {
  const SourceFiles files = {{"router/a.cpp",
                              {"open(\"/ho"
                               "me/me/data\");"}},
                             {"router/b.cpp",
                              {"// see /wo"
                               "rk/notes"}},
                             {"router/c.cpp",
                              {"// tests/wo"
                               "rk/shop and a/ho"
                               "me/run"}}};

  EXPECT_THAT(against_machine_paths(files),
              ElementsAre(StartsWith("router/a.cpp:1"), StartsWith("router/b.cpp:1")));
}

TEST(HouseRules, ASourceThatDoesNotTestItsHeaderIsFound) {
  const SourceFiles files = {{"router/a.h", {}},
                             {"router/a.cpp", {"", "#include <vector>", "#include \"router/a.h\""}},
                             {"router/b.h", {}},
                             {"router/b.cpp", {"// why", "#include \"router/b.h\""}},
                             {"router/alone.cpp", {"#include <vector>"}}};

  EXPECT_THAT(against_own_header_first(files), ElementsAre(StartsWith("router/a.cpp:2")));
}

TEST(HouseRules, RoomsOfTheRuntimeHaveTheirNamespaces) {
  EXPECT_EQ(namespace_of("runtime/base/errors.h"), "softmoe");
  EXPECT_EQ(namespace_of("runtime/device/view.h"), "softmoe");
  EXPECT_EQ(namespace_of("runtime/ops/cpu/gemm.cpp"), "softmoe::ops");
  EXPECT_EQ(namespace_of("runtime/config/reader.h"), "softmoe::config");
  EXPECT_EQ(namespace_of("router/route_plan.h"), "softmoe::router");
}

TEST(HouseRules, CodeInTheWrongNamespaceIsFound) {
  const SourceFiles files = {
      {"router/a.h", {"namespace softmoe::budget {", "int f();", "}"}},
      {"router/b.h",
       {"namespace softmoe::config {", "class Reader;", "}  // namespace",
        "namespace softmoe::router {", "}"}},
      {"router/c.h", {"namespace softmoe {", "}"}},
      {"router/d.h", {"namespace softmoe::router_too {", "int f();", "}"}},
      {"runtime/base/e.h", {"namespace softmoe {", "}"}},
      {"runtime/base/f.h", {"", "namespace softmoe::ops {", "int f();", "}"}},
      {"runtime/ops/cpu/g.cpp", {"namespace softmoe::ops::cpu {", "}"}},
      {"launcher/main.cpp", {"int main() {}"}},
      {"tests/h.cpp", {"namespace softmoe::test {", "}"}}};

  EXPECT_THAT(against_namespaces(files, kOrder),
              ElementsAre(StartsWith("router/a.h:1: softmoe::budget"),
                          StartsWith("router/a.h:1: nothing in softmoe::router"),
                          StartsWith("router/c.h:1: softmoe in a file"),
                          StartsWith("router/c.h:1: nothing in"),
                          StartsWith("router/d.h:1: softmoe::router_too"),
                          StartsWith("router/d.h:1: nothing in"),
                          StartsWith("runtime/base/f.h:2: softmoe::ops"),
                          StartsWith("runtime/base/f.h:1: nothing in softmoe")));
}

}  // namespace
}  // namespace softmoe::test
