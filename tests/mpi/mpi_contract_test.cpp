// The contract of every Communicator, on processes.

#include <gtest/gtest.h>

#include "tests/mpi/rank_session.h"
#include "tests/unit/parallel/contract/communicator_contract.h"

namespace softmoe::test {
namespace {

class MpiCommunicator : public testing::TestWithParam<ContractCase> {};

TEST_P(MpiCommunicator, KeepsTheContract) {
  OnDevice device;
  const auto world = rank_session().world();

  GetParam().run(*world, device);
  device.stream.synchronize();
  device.exchange.synchronize();
}

INSTANTIATE_TEST_SUITE_P(Processes, MpiCommunicator, testing::ValuesIn(communicator_contract()),
                         [](const testing::TestParamInfo<ContractCase>& one) {
                           return one.param.sentence;
                         });

TEST(MpiSession, KnowsTheWorldBeforeThereIsACommunicator) {
  const auto world = rank_session().world();

  EXPECT_EQ(rank_session().size(), world->size());
  EXPECT_EQ(rank_session().rank(), world->rank());
}

}  // namespace
}  // namespace softmoe::test
