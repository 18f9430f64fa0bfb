#include "training/corpus/child_process.h"

#include <gmock/gmock.h>

#include "tests/support/storage_error_matcher.h"
#include "tests/unit/training_corpus/text_folder.h"

namespace softmoe::training {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::_;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

/// A program that is a shell script.
ChildProcess run_script(const std::string& script) {
  return ChildProcess("/bin/sh", {"-c", script});
}

Deadline soon() {
  return Deadline::in(seconds(10));
}

TEST(ChildProcess, IsTalkedTo) {
  ChildProcess cat("/bin/cat", {});
  // Neither side's buffer holds this: it only arrives if the other end is read at the same time.
  const std::string sent(50'000, 'x');
  std::string received(sent.size(), ' ');

  cat.send(sent, soon());
  cat.receive(received, soon());
  cat.finish(soon());

  EXPECT_EQ(received, sent);
}

TEST(ChildProcess, ThatIsMissingIsAConfigErrorWithTheCure) {
  EXPECT_THAT([] { ChildProcess("/no/such/program", {}); },
              ThrowsMessage<ConfigError>(
                  AllOf(HasSubstr("/no/such/program"), HasSubstr("installed beside `softmoe`"))));
}

TEST(ChildProcess, ThatFailsIsReportedByItsExitCodeAndItsOwnWords) {
  const auto finish = [](const std::string& script) {
    return [script] { run_script(script).finish(soon()); };
  };

  EXPECT_THAT(finish("exit 65"), FailsWith(StorageError::Kind::bad_format, _));
  EXPECT_THAT(finish("exit 66"), FailsWith(StorageError::Kind::missing, _));
  EXPECT_THAT(finish("exit 73"), FailsWith(StorageError::Kind::cannot_write, _));
  EXPECT_THAT(finish("exit 1"), FailsWith(StorageError::Kind::io, _));
  EXPECT_THAT(finish("echo 'no such verb' >&2; exit 64"),
              ThrowsMessage<ConfigError>(HasSubstr("no such verb")));
}

TEST(ChildProcess, ThatDiesInATalkIsReportedToTheReceiver) {
  ChildProcess child = run_script("read line; echo 'out of cheese' >&2; kill -9 $$");
  std::string answer(4, ' ');

  child.send("hello\n", soon());

  EXPECT_THAT(
      [&] { child.receive(answer, soon()); },
      ThrowsMessage<StorageError>(AllOf(HasSubstr("signal 9"), HasSubstr("out of cheese"))));
}

TEST(ChildProcess, ThatIsGoneIsReportedToTheSender) {
  ChildProcess child = run_script("exec >&- <&-; echo 'cannot stay' >&2; exit 65");
  const std::string more_than_any_buffer(std::size_t{8} << 20, 'x');

  EXPECT_THAT([&] { child.send(more_than_any_buffer, soon()); },
              ThrowsMessage<StorageError>(HasSubstr("cannot stay")));
}

TEST(ChildProcess, ThatDoesNotAnswerIsKilledAtTheDeadline) {
  ChildProcess child = run_script("sleep 600");
  std::string answer(1, ' ');
  const auto start = Deadline::Clock::now();

  EXPECT_THAT([&] { child.receive(answer, Deadline::in(milliseconds(50))); },
              ThrowsMessage<StorageError>(HasSubstr("within 50 ms")));

  EXPECT_LT(Deadline::Clock::now() - start, seconds(5));
}

}  // namespace
}  // namespace softmoe::training
