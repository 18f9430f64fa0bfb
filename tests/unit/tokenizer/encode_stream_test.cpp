#include "tokenizer/encode_stream.h"

#include <gmock/gmock.h>
#include <unistd.h>

#include <array>

#include "tests/unit/tokenizer/failure_matcher.h"
#include "tokenizer/trainer.h"

namespace softmoe::tokenizer {
namespace {

using ::testing::HasSubstr;

/// A pipe that is small enough for these tests to need no second thread.
class Pipe {
 public:
  Pipe() { EXPECT_EQ(::pipe(ends_.data()), 0); }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;
  ~Pipe() {
    close_writer();
    ::close(ends_[0]);
  }

  [[nodiscard]] int reader() const { return ends_[0]; }
  [[nodiscard]] int writer() const { return ends_[1]; }
  void close_writer() {
    if (ends_[1] >= 0) ::close(ends_[1]);
    ends_[1] = -1;
  }
  void write(const std::string& bytes) const {
    EXPECT_EQ(::write(writer(), bytes.data(), bytes.size()), std::ssize(bytes));
  }
  std::string read_all() {
    close_writer();
    std::string bytes(1 << 16, '\0');
    bytes.resize(static_cast<std::size_t>(::read(reader(), bytes.data(), bytes.size())));
    return bytes;
  }

 private:
  std::array<int, 2> ends_ = {-1, -1};
};

Model byte_model() {
  return Model(train("", {.vocab_size = kMinVocabSize}), "test.model");
}

std::string frame(const std::string& document) {
  std::string bytes;
  put_u32(bytes, static_cast<std::uint32_t>(document.size()));
  return bytes + document;
}

/// All that the program says to `input`.
std::string converse(Model& model, const std::string& input) {
  Pipe to_program;
  Pipe from_program;
  to_program.write(input);
  to_program.close_writer();
  encode_stream(model, to_program.reader(), from_program.writer());
  return from_program.read_all();
}

TEST(EncodeStream, GreetsAndAnswersEachDocumentInOrder) {
  Model model = byte_model();

  const std::string said = converse(model, frame("\n") + frame("") + frame("\t\n"));

  const auto greeting = decode_greeting(said.substr(0, kGreetingBytes));
  ASSERT_TRUE(greeting.has_value());
  EXPECT_EQ(greeting->vocab_size, 353U);
  EXPECT_EQ(greeting->end_of_document, 1U);
  EXPECT_EQ(greeting->fingerprint, model.fingerprint());
  std::string expected;
  for (const std::uint32_t word : {1U, 2U + '\n', 0U, 2U, 2U + '\t', 2U + '\n'})
    put_u32(expected, word);
  EXPECT_EQ(said.substr(kGreetingBytes), expected);
}

TEST(EncodeStream, RefusesAStreamThatEndsInsideADocument) {
  Model model = byte_model();
  std::string huge;
  put_u32(huge, kMaxDocumentBytes + 1);

  EXPECT_THAT([&] { converse(model, frame("one") + std::string("\x05\x00", 2)); },
              FailsWith(ExitCode::bad_data, HasSubstr("inside the length of document 1")));
  EXPECT_THAT([&] { converse(model, frame("three").substr(0, 7)); },
              FailsWith(ExitCode::bad_data, HasSubstr("after 3 of the 5 bytes of document 0")));
  EXPECT_THAT([&] { converse(model, huge); }, FailsWith(ExitCode::bad_data, HasSubstr("split it")));
}

TEST(Greeting, OfAnotherVersionIsNotUnderstood) {
  const std::string bytes =
      encode_greeting({.vocab_size = 7, .end_of_document = 1, .fingerprint = 1ULL << 63});
  std::string other_version = bytes;
  other_version[4] = 2;

  EXPECT_EQ(decode_greeting(bytes)->fingerprint, 1ULL << 63);
  EXPECT_FALSE(decode_greeting(other_version).has_value());
  EXPECT_FALSE(decode_greeting(bytes.substr(1)).has_value());
  EXPECT_FALSE(decode_greeting("XMTK" + bytes.substr(4)).has_value());
}

}  // namespace
}  // namespace softmoe::tokenizer
