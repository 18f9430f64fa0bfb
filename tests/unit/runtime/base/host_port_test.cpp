#include "runtime/base/host_port.h"

#include <gmock/gmock.h>

namespace softmoe {
namespace {

TEST(HostPort, HasTwoParts) {
  const auto place = parse_host_port("node-7.cluster_a:9100");

  ASSERT_TRUE(place);
  EXPECT_EQ(place->host, "node-7.cluster_a");
  EXPECT_EQ(place->port, 9100);
}

TEST(HostPort, WritesItselfAsItWasRead) {
  for (const char* text : {"node7:0", "10.0.0.7:65535", "[::1]:9100", "[fe80::1%eth0]:1", "*:80"}) {
    const auto place = parse_host_port(text);
    ASSERT_TRUE(place) << text;
    EXPECT_EQ(place->text(), text);
  }
}

TEST(HostPort, KeepsBracketsOutOfTheHost) {
  EXPECT_EQ(parse_host_port("[::1]:9100")->host, "::1");
}

TEST(HostPort, KnowsHostsThatMeanEveryAddress) {
  for (const char* text : {"0.0.0.0:1", "[::]:1", "*:1"})
    EXPECT_TRUE(parse_host_port(text)->is_every_address()) << text;
  for (const char* text : {"127.0.0.1:1", "[::1]:1", "node7:1"})
    EXPECT_FALSE(parse_host_port(text)->is_every_address()) << text;
}

TEST(HostPort, IsNothingElse) {
  for (const char* text : {"",
                           ":",
                           "node7",
                           "node7:",
                           ":9100",
                           "[]:1",
                           "[::1]",
                           "::1:9100",
                           "[::1:9100",
                           "node7:65536",
                           "node7:+1",
                           "node7:-1",
                           "node7: 1",
                           "node7:1 ",
                           "node7:0x1",
                           "node7:99999999999",
                           "a b:1",
                           "user@node7:1",
                           "node7/x:1",
                           "http://node7:1",
                           "node7:1/metrics",
                           "a\"b:1"}) {
    EXPECT_FALSE(parse_host_port(text)) << text;
  }
}

}  // namespace
}  // namespace softmoe
