// The numbers that bound each kernel, and the calls that are timed beside them.

#include "bench/kernel_costs.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <iostream>

#include "bench/kernel_layer.h"
#include "tests/support/docs_table.h"
#include "tests/support/on_device.h"

namespace softmoe::bench {
namespace {

using testing::ElementsAreArray;

const KernelCost& cost_of(const std::vector<KernelCost>& costs, std::string_view kernel) {
  return *std::find_if(costs.begin(), costs.end(),
                       [&](const KernelCost& cost) { return cost.kernel == kernel; });
}

constexpr LayerSize kSmall{
    .tokens = 40, .hidden = 16, .inner = 12, .experts = 6, .rows = 80, .element = 4};

TEST(KernelCosts, AreThoseCountedByHand) {
  const LayerSize size{
      .tokens = 10, .hidden = 4, .inner = 3, .experts = 2, .rows = 20, .element = 2};
  const std::vector<KernelCost> costs = kernel_costs(size);

  // 20 rows of 4 numbers times [6, 4] for each of 2 experts: 2 * 20 * 4 * 6 flops; 80 + 48 + 120
  // numbers of 2 bytes.
  EXPECT_EQ(cost_of(costs, "grouped_gemm gate_up").flops, 960);
  EXPECT_EQ(cost_of(costs, "grouped_gemm gate_up").bytes, 496);
  // Scores [10, 2] read and written in f32, and two numbers a token.
  EXPECT_EQ(cost_of(costs, "lapsum").bytes, 160 + 80);
  // 40 numbers of tokens read, 80 of rows written, and 20 places.
  EXPECT_EQ(cost_of(costs, "pack_rows").bytes, 80 + 160 + 80);
}

TEST(KernelCosts, AreThoseOfTheDocumentation) {
  const std::vector<std::string> table = as_table(kernel_costs({}));

  const std::vector<std::string> documented =
      test::table_of_docs(SOFTMOE_SOURCE_DIR, "gpu.md", "costs");
  if (documented != table) {
    std::cout << "The table for docs/gpu.md is now:\n";
    for (const std::string& line : table) std::cout << line << "\n";
  }
  EXPECT_EQ(documented, table);
}

TEST(KernelLayer, HasACallForEveryCostAndEachRuns) {
  test::OnDevice device(Backend::cuda);
  const KernelLayer layer(kSmall, device.work);
  std::vector<std::string_view> names;
  for (const KernelCost& cost : kernel_costs(kSmall)) names.push_back(cost.kernel);

  std::vector<std::string_view> called;
  for (const KernelCall& call : layer.calls()) {
    call.enqueue();
    device.stream.synchronize();
    called.push_back(call.kernel);
  }

  EXPECT_THAT(called, ElementsAreArray(names));
  EXPECT_EQ(layer.rows(), kSmall.rows);
}

}  // namespace
}  // namespace softmoe::bench
