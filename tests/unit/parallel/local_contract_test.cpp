// The contract of every Communicator, on threads.

#include <gtest/gtest.h>

#include "tests/support/local_world.h"
#include "tests/unit/parallel/contract/communicator_contract.h"

namespace softmoe::test {
namespace {

using Parameter = std::tuple<ContractCase, int>;

class LocalCommunicator : public testing::TestWithParam<Parameter> {};

TEST_P(LocalCommunicator, KeepsTheContract) {
  const auto& [contract, num_ranks] = GetParam();

  run_ranks(num_ranks, contract.run);
}

INSTANTIATE_TEST_SUITE_P(Threads, LocalCommunicator,
                         testing::Combine(testing::ValuesIn(communicator_contract()),
                                          testing::Values(1, 2, 3, 4)),
                         [](const testing::TestParamInfo<Parameter>& one) {
                           return std::get<0>(one.param).sentence + "_On" +
                                  std::to_string(std::get<1>(one.param));
                         });

}  // namespace
}  // namespace softmoe::test
