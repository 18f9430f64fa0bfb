#include "coordinator/coordinator_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/config/load.h"
#include "tests/support/config_refusals.h"

namespace softmoe::coordinator {
namespace {

using ::testing::HasSubstr;

TEST(CoordinatorConfig, TheDefaultsAreAccepted) {
  EXPECT_EQ(refusals(CoordinatorConfig{}), "");
  EXPECT_EQ(refusals(TlsConfig{}), "");
}

TEST(CoordinatorConfig, IsReadFromItsSection) {
  const std::vector<std::string> overrides = {
      "placement=standalone", "folder=/data/run",      "listen=0.0.0.0:7070",
      "on_alarm=drain",       "tls.ca_file=ca.pem",    "tls.certificate_file=c.pem",
      "tls.key_file=c.key",   "heartbeat_seconds=0.5", "window_steps=20"};

  const auto config = config::load<CoordinatorConfig>(config::Source::none(), overrides).value;

  EXPECT_EQ(config.placement, Placement::standalone);
  EXPECT_EQ(config.folder, "/data/run");
  EXPECT_EQ(config.listen, "0.0.0.0:7070");
  EXPECT_EQ(config.on_alarm, OnAlarm::drain);
  EXPECT_TRUE(config.tls.is_given());
  EXPECT_EQ(config.heartbeat_seconds, 0.5);
  EXPECT_EQ(config.window_steps, 20);
}

TEST(CoordinatorConfig, ASilenceShorterThanTwoHeartbeatsIsRefusedWithTheLeastThatWorks) {
  CoordinatorConfig config;
  config.heartbeat_seconds = 3.0;

  EXPECT_THAT(refusals(config), HasSubstr("5 s is less than two heartbeats of 3 s"));
  EXPECT_THAT(refusals(config), HasSubstr("give at least 6"));
}

TEST(CoordinatorConfig, AStallShorterThanASilenceIsRefused) {
  CoordinatorConfig config;
  config.stall_seconds = 4.0;

  EXPECT_THAT(refusals(config), HasSubstr("4 s is less than silence_seconds = 5"));
}

TEST(CoordinatorConfig, FewerCallsThanHeartbeatsNeedAreRefused) {
  CoordinatorConfig config;
  config.heartbeat_seconds = 0.05;

  EXPECT_THAT(refusals(config), HasSubstr("max_calls_per_second"));
  EXPECT_THAT(refusals(config), HasSubstr("give at least 80"));
}

TEST(CoordinatorConfig, AddressesAreHostAndPort) {
  for (const char* wrong : {"localhost", ":80", "host:", "host:70000", "host:8o", "host:-1"}) {
    CoordinatorConfig config;
    config.listen = wrong;
    EXPECT_THAT(refusals(config), HasSubstr("is not host:port")) << wrong;
  }
  CoordinatorConfig config;
  config.listen = "[::1]:0";
  EXPECT_EQ(refusals(config), "");
  config.metrics_listen = "";
  EXPECT_EQ(refusals(config), "");
  config.metrics_listen = "9100";
  EXPECT_THAT(refusals(config), HasSubstr("metrics_listen"));
  config.metrics_listen = "0.0.0.0:9100";
  config.address = "host:0";
  EXPECT_THAT(refusals(config), HasSubstr("address"));
}

TEST(CoordinatorConfig, AStandaloneOneIsFoundInAFolderOrAtAnAddress) {
  CoordinatorConfig config;
  config.placement = Placement::standalone;
  EXPECT_THAT(refusals(config), HasSubstr("name one, or give its address"));

  config.address = "n0:7070";
  EXPECT_EQ(refusals(config), "");
}

TEST(CoordinatorConfig, MemoryHoldsFourMessages) {
  CoordinatorConfig config;
  config.memory_bytes = 1 << 20;

  EXPECT_THAT(refusals(config), HasSubstr("give at least 4194304"));
}

TEST(TlsConfig, IsAllThreeFilesOrNone) {
  TlsConfig config;
  config.certificate_file = "c.pem";

  EXPECT_THAT(refusals(config), HasSubstr("ca_file"));
  EXPECT_THAT(refusals(config), HasSubstr("key_file"));
}

}  // namespace
}  // namespace softmoe::coordinator
