// What the compiler made of the kernels: no spills, and the table of docs/gpu.md is the compiler's.

#include <gmock/gmock.h>

#include <iostream>

#include "tests/cuda_build/ptxas_report.h"
#include "tests/support/docs_table.h"

namespace softmoe::test {
namespace {

using testing::ElementsAre;
using testing::Eq;
using testing::Field;
using testing::SizeIs;

constexpr std::string_view kArchitecture = "sm_90";
/// Registers differ from one compiler to the next.
constexpr std::string_view kTabulated = "13.0.88";

TEST(PtxasReport, IsReadAsTheCompilerWritesIt) {
  const auto uses =
      parse_ptxas("x.cu",
                  "ptxas info    : 0 bytes gmem\n"
                  "ptxas info    : Compiling entry function '_ZN1n1kIfEEvPKT_i' for 'sm_90'\n"
                  "ptxas info    : Function properties for _ZN1n1kIfEEvPKT_i\n"
                  "    16 bytes stack frame, 8 bytes spill stores, 12 bytes spill loads\n"
                  "ptxas info    : Function properties for __internal_trig_reduction_slowpathd\n"
                  "    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads\n"
                  "ptxas info    : Used 40 registers, used 1 barriers, 1024 bytes smem\n");

  EXPECT_THAT(uses, ElementsAre(KernelUse{.source = "x.cu",
                                          .kernel = "n::k<float>",
                                          .architecture = "sm_90",
                                          .registers = 40,
                                          .static_shared_bytes = 1024,
                                          .stack_bytes = 16,
                                          .spill_bytes = 20}));
}

TEST(Kernels, AreCompiledForEveryArchitectureThatWeShip) {
  const auto uses = read_reports(SOFTMOE_BINARY_DIR);
  for (const char* architecture : {"sm_80", "sm_90", "sm_100"}) {
    EXPECT_THAT(as_table(uses, architecture), SizeIs(testing::Gt(20U))) << architecture;
  }
}

TEST(Kernels, SpillNothingAndKeepNoStack) {
  // The slow path of sine and cosine keeps the digits of 2 / pi there; noise is off by default.
  constexpr std::string_view kMayKeepStack = "add_noise";
  for (const KernelUse& use : read_reports(SOFTMOE_BINARY_DIR)) {
    SCOPED_TRACE(use.source + " " + use.kernel + " " + use.architecture);
    EXPECT_THAT(use, Field(&KernelUse::spill_bytes, Eq(0)));
    if (use.kernel == kMayKeepStack) continue;
    EXPECT_THAT(use, Field(&KernelUse::stack_bytes, Eq(0)));
  }
}

TEST(Kernels, UseWhatTheTableOfTheDocumentationSays) {
  if (kTabulated != SOFTMOE_NVCC) {
    GTEST_SKIP() << "the table is of nvcc " << kTabulated << ", this is " << SOFTMOE_NVCC;
  }
  const auto table = as_table(read_reports(SOFTMOE_BINARY_DIR), kArchitecture);

  const auto documented = table_of_docs(SOFTMOE_SOURCE_DIR, "gpu.md", "ptxas");
  if (table != documented) {
    std::cout << "The table for docs/gpu.md is now:\n";
    for (const std::string& line : table) std::cout << line << "\n";
  }
  EXPECT_EQ(table, documented);
}

}  // namespace
}  // namespace softmoe::test
