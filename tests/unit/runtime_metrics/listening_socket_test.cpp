#include "runtime/metrics/listening_socket.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <unistd.h>

#include <string>

#include "runtime/base/errors.h"

namespace softmoe::metrics {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::MatchesRegex;

/// Listens as long as it lives.
class Listening {
 public:
  explicit Listening(const std::string& listen) : socket_(listen_at(listen)) {}
  ~Listening() { ::close(socket_.descriptor); }
  Listening(const Listening&) = delete;
  Listening& operator=(const Listening&) = delete;
  const ListeningSocket* operator->() const { return &socket_; }

 private:
  ListeningSocket socket_;
};

std::string refusal(const std::string& listen) {
  try {
    const Listening listening(listen);
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "listens";
}

TEST(ListeningSocket, FindsAFreePort) {
  const Listening first("127.0.0.1:0");
  const Listening second("127.0.0.1:0");

  EXPECT_THAT(first->address, MatchesRegex("127\\.0\\.0\\.1:[1-9][0-9]+"));
  EXPECT_NE(first->address, second->address);
  EXPECT_TRUE(first->is_loopback);
}

TEST(ListeningSocket, IsNotInheritedByProgramsThatAreStarted) {
  const Listening listening("127.0.0.1:0");

  EXPECT_NE(::fcntl(listening->descriptor, F_GETFD) & FD_CLOEXEC, 0);
}

TEST(ListeningSocket, KnowsWhoCanReachIt) {
  EXPECT_TRUE(Listening("127.3.2.1:0")->is_loopback);
  EXPECT_TRUE(Listening("localhost:0")->is_loopback);
  EXPECT_FALSE(Listening("0.0.0.0:0")->is_loopback);
}

TEST(ListeningSocket, KeepsTheHostAsItWasGiven) {
  EXPECT_THAT(Listening("localhost:0")->address, MatchesRegex("localhost:[0-9]+"));
  EXPECT_THAT(Listening("0.0.0.0:0")->address, MatchesRegex("0\\.0\\.0\\.0:[0-9]+"));
}

TEST(ListeningSocket, ListensOnVersionSixToo) {
  if (refusal("[::1]:0") != "listens")
    GTEST_SKIP() << "this machine has no [::1]: load the ipv6 module to run this test";

  EXPECT_THAT(Listening("[::1]:0")->address, MatchesRegex("\\[::1\\]:[0-9]+"));
  EXPECT_TRUE(Listening("[::1]:0")->is_loopback);
  EXPECT_TRUE(Listening("[::ffff:127.0.0.1]:0")->is_loopback);
  EXPECT_FALSE(Listening("[::]:0")->is_loopback);
}

TEST(ListeningSocket, IsRefusedAPortThatIsTaken) {
  const Listening taken("127.0.0.1:0");

  EXPECT_THAT(refusal(taken->address),
              AllOf(HasSubstr("'" + taken->address + "'"), HasSubstr("in use"),
                    HasSubstr("choose another port, or 0 for a free one")));
}

TEST(ListeningSocket, IsRefusedAnAddressOfSomebodyElse) {
  EXPECT_THAT(refusal("192.0.2.1:0"),
              AllOf(HasSubstr("'192.0.2.1:0'"), HasSubstr("an address of this machine")));
}

TEST(ListeningSocket, IsRefusedAHostThatNobodyKnows) {
  EXPECT_THAT(refusal("no-such-host.invalid:9100"),
              AllOf(HasSubstr("'no-such-host.invalid:9100'"), HasSubstr("the host is unknown")));
}

TEST(ListeningSocket, IsRefusedWhatIsNoAddress) {
  for (const std::string listen :
       {"", ":", ":9100", "127.0.0.1", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:-1", "127.0.0.1:+1",
        "127.0.0.1:65536", "127.0.0.1:99999999999999999999", "127.0.0.1:80 ", "::1:9100",
        "[::1:9100", "::1]:9100", "[]:9100", "a:b:9100", "http://127.0.0.1:9100", "a b:1"}) {
    EXPECT_THAT(refusal(listen), AllOf(HasSubstr("'" + listen + "': it is no host:port"),
                                       HasSubstr("127.0.0.1:9100")))
        << listen;
  }
  EXPECT_THROW((void)listen_at(std::string("127.0.0.1\0:0", 12)), ConfigError);
}

}  // namespace
}  // namespace softmoe::metrics
