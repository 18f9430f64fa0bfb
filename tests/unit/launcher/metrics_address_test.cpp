#include "launcher/run/metrics_address.h"

#include <gmock/gmock.h>

#include "runtime/base/errors.h"

namespace softmoe::launcher {
namespace {

using testing::HasSubstr;
using testing::ThrowsMessage;

TEST(MetricsAddress, CountsTheRanksOfAHostInWhateverOrderTheyCome) {
  const std::vector<std::string> hosts = {"a", "b", "a", "b", "b", "c"};
  const std::vector<int> expected = {0, 0, 1, 1, 2, 0};

  for (int rank = 0; rank < 6; ++rank) {
    EXPECT_EQ(local_rank(hosts, Rank(rank)), expected[static_cast<std::size_t>(rank)]);
  }
}

TEST(MetricsAddress, GivesEveryRankOfAHostAPortOfItsOwn) {
  EXPECT_EQ(address_to_listen_at("0.0.0.0:9400", 0), "0.0.0.0:9400");
  EXPECT_EQ(address_to_listen_at("0.0.0.0:9400", 7), "0.0.0.0:9407");
  EXPECT_EQ(address_to_listen_at("[::1]:9400", 2), "[::1]:9402");
}

TEST(MetricsAddress, LeavesTheChoiceOfAnyFreePort) {
  EXPECT_EQ(address_to_listen_at("127.0.0.1:0", 3), "127.0.0.1:0");
}

TEST(MetricsAddress, RefusesAPortThatThereIsNot) {
  EXPECT_EQ(address_to_listen_at("127.0.0.1:65530", 5), "127.0.0.1:65535");
  EXPECT_THAT([] { (void)address_to_listen_at("127.0.0.1:65530", 6); },
              ThrowsMessage<ConfigError>(HasSubstr("rank 6 of this host")));
}

TEST(MetricsAddress, IsToldByTheHostsNameWhereItIsAWildcard) {
  EXPECT_EQ(address_to_tell("0.0.0.0:9400", "node7"), "node7:9400");
  EXPECT_EQ(address_to_tell("[::]:9400", "node7"), "node7:9400");
  EXPECT_EQ(address_to_tell("10.0.0.7:9400", "node7"), "10.0.0.7:9400");
  EXPECT_EQ(address_to_tell("[fe80::1]:9400", "node7"), "[fe80::1]:9400");
}

TEST(MetricsAddress, StaysAWildcardWhereTheHostHasNoName) {
  EXPECT_EQ(address_to_tell("0.0.0.0:9400", ""), "0.0.0.0:9400");
}

}  // namespace
}  // namespace softmoe::launcher
