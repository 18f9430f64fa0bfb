// The contract of every Communicator, on GPUs.

#include <gtest/gtest.h>

#include "tests/support/nccl_world.h"
#include "tests/unit/parallel/contract/communicator_contract.h"

namespace softmoe::test {
namespace {

using Parameter = std::tuple<ContractCase, int>;

class NcclCommunicator : public testing::TestWithParam<Parameter> {};

TEST_P(NcclCommunicator, KeepsTheContract) {
  const auto& [contract, num_ranks] = GetParam();
  if (!has_gpus_for(num_ranks)) GTEST_SKIP() << "there are not " << num_ranks << " GPUs";

  run_nccl_ranks(num_ranks, contract.run);
}

INSTANTIATE_TEST_SUITE_P(Gpus, NcclCommunicator,
                         testing::Combine(testing::ValuesIn(device_contract()),
                                          testing::Values(1, 2, 3, 4)),
                         [](const testing::TestParamInfo<Parameter>& one) {
                           return std::get<0>(one.param).sentence + "_On" +
                                  std::to_string(std::get<1>(one.param));
                         });

}  // namespace
}  // namespace softmoe::test
