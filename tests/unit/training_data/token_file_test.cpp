#include "training/data/token_file.h"

#include <gmock/gmock.h>

#include <array>

#include "runtime/storage/posix_file_system.h"
#include "tests/support/faulty_file_system.h"
#include "tests/support/storage_error_matcher.h"
#include "tests/support/temporary_directory.h"

namespace softmoe::training {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::ThrowsMessage;
using Kind = StorageError::Kind;

class TokenFileTest : public testing::Test {
 protected:
  /// A file of llm.c with this header and these bytes behind it.
  void put_llmc(std::int32_t magic, std::int32_t version, std::int32_t num_tokens,
                std::string_view data) {
    std::array<std::int32_t, 256> header{magic, version, num_tokens};
    std::string bytes(1024, '\0');
    std::copy_n(reinterpret_cast<const char*>(header.data()), 1024, bytes.begin());
    storage::write_file(files_, path_, storage::bytes_of(bytes + std::string(data)));
  }

  void put(std::string_view bytes) { storage::write_file(files_, path_, storage::bytes_of(bytes)); }

  void write(TokenFormat format, std::int64_t vocab_size, std::vector<std::int32_t> tokens) {
    TokenFileWriter writer(files_, path_, format, vocab_size);
    writer.append(tokens);
    writer.finish();
  }

  auto opening(TokenFormat format) {
    return [this, format] { TokenFile(files_, path_, format); };
  }

  static auto refused(const std::string& reason) {
    return FailsWith(Kind::bad_format, AllOf(HasSubstr("shard.bin"), HasSubstr(reason)));
  }

  [[nodiscard]] std::vector<std::int32_t> tokens_in(TokenFormat format) {
    const TokenFile file(files_, path_, format);
    std::vector<std::int32_t> tokens(static_cast<std::size_t>(file.num_tokens()));
    file.tokens(0, tokens);
    return tokens;
  }

  TemporaryDirectory directory_;
  storage::PosixFileSystem files_;
  storage::Path path_ = directory_ / "shard.bin";
};

TEST_F(TokenFileTest, ReadsSixteenBitTokensOfLlmc) {
  put_llmc(20240520, 1, 3, std::string_view("\x01\x00\xFF\xFF\x00\x01", 6));

  EXPECT_THAT(tokens_in(TokenFormat::llmc), ElementsAre(1, 65'535, 256));
}

TEST_F(TokenFileTest, ReadsThirtyTwoBitTokensOfLlmc) {
  put_llmc(20240801, 7, 2, std::string_view("\x01\x00\x00\x00\x00\x00\x01\x00", 8));

  EXPECT_THAT(tokens_in(TokenFormat::llmc), ElementsAre(1, 65'536));
}

TEST_F(TokenFileTest, ReadsHeaderlessTokens) {
  put(std::string_view("\x01\x00\xFF\xFF", 4));

  EXPECT_THAT(tokens_in(TokenFormat::nanogpt), ElementsAre(1, 65'535));
}

TEST_F(TokenFileTest, ReadsFromAnyPlace) {
  write(TokenFormat::llmc, 100, {10, 11, 12, 13});
  const TokenFile file(files_, path_, TokenFormat::llmc);
  std::array<std::int32_t, 2> out{};

  file.tokens(2, out);

  EXPECT_THAT(out, ElementsAre(12, 13));
  EXPECT_THAT([&] { file.tokens(3, out); },
              ThrowsMessage<InvalidArgument>(HasSubstr("2 tokens from token 3")));
  EXPECT_THAT([&] { file.tokens(-1, out); }, testing::Throws<InvalidArgument>());
}

TEST_F(TokenFileTest, WritesWhatItReadsInEveryFormat) {
  std::vector<std::int32_t> tokens(300'000);
  for (std::size_t i = 0; i < tokens.size(); ++i) tokens[i] = static_cast<int>(i * 7 % 65'536);

  for (const auto& [format, vocab_size] :
       {std::pair(TokenFormat::llmc, 65'536), std::pair(TokenFormat::llmc, 65'537),
        std::pair(TokenFormat::nanogpt, 65'536)}) {
    write(format, vocab_size, tokens);

    EXPECT_EQ(tokens_in(format), tokens) << vocab_size;
  }
}

TEST_F(TokenFileTest, WritesTheHeaderOfLlmc) {
  write(TokenFormat::llmc, 50'257, {1, 50'256});

  const std::string bytes = storage::read_text(files_, path_, 10'000);

  EXPECT_EQ(bytes.substr(0, 16), std::string("\x88\xD8\x34\x01\1\0\0\0\2\0\0\0\0\0\0\0", 16));
  EXPECT_EQ(bytes.substr(1024), std::string("\x01\x00\x50\xC4", 4));
}

TEST_F(TokenFileTest, WritesAnEmptyShard) {
  write(TokenFormat::llmc, 10, {});

  EXPECT_THAT(tokens_in(TokenFormat::llmc), IsEmpty());
}

TEST_F(TokenFileTest, RefusesAMissingFile) {
  EXPECT_THAT(opening(TokenFormat::llmc), FailsWith(Kind::missing, HasSubstr("shard.bin")));
}

TEST_F(TokenFileTest, RefusesAFileShorterThanItsHeader) {
  put("short");

  EXPECT_THAT(opening(TokenFormat::llmc), refused("it has 5 bytes"));
}

TEST_F(TokenFileTest, RefusesAForeignMagicNumber) {
  put_llmc(7, 1, 0, "");
  EXPECT_THAT(opening(TokenFormat::llmc), refused("say format nanogpt"));

  put_llmc(20240522, 1, 0, "");
  EXPECT_THAT(opening(TokenFormat::llmc), refused("an evaluation file"));
}

TEST_F(TokenFileTest, RefusesAnotherVersion) {
  put_llmc(20240520, 7, 0, "");
  EXPECT_THAT(opening(TokenFormat::llmc), refused("its version is 7, and 1 is expected"));

  put_llmc(20240801, 1, 0, "");
  EXPECT_THAT(opening(TokenFormat::llmc), refused("its version is 1, and 7 is expected"));
}

TEST_F(TokenFileTest, RefusesASizeThatContradictsTheHeader) {
  put_llmc(20240520, 1, 3, "12345");
  EXPECT_THAT(opening(TokenFormat::llmc), refused("3 tokens, which make 1030 bytes"));

  put_llmc(20240520, 1, 3, "1234567");
  EXPECT_THAT(opening(TokenFormat::llmc), refused("but it has 1031"));

  put_llmc(20240520, 1, -1, "");
  EXPECT_THAT(opening(TokenFormat::llmc), refused("promises -1 tokens"));
}

TEST_F(TokenFileTest, RefusesHeaderlessTokensCutInHalf) {
  put("123");

  EXPECT_THAT(opening(TokenFormat::nanogpt), refused("an odd number"));
}

TEST_F(TokenFileTest, RefusesToReadAHeaderAsTokens) {
  write(TokenFormat::llmc, 100, {1, 2, 3});

  EXPECT_THAT(opening(TokenFormat::nanogpt), refused("say format llmc"));
}

TEST_F(TokenFileTest, NamesTheFirstTokenOutsideTheVocabularyAndItsPosition) {
  std::vector<std::int32_t> tokens(200'000, 5);
  tokens[150'001] = 99;
  tokens[150'007] = 98;
  write(TokenFormat::llmc, 100, tokens);
  const TokenFile file(files_, path_, TokenFormat::llmc);

  EXPECT_NO_THROW(file.check_vocabulary(100));
  EXPECT_THAT([&] { file.check_vocabulary(99); },
              refused("token 150001 is 99, and the vocabulary has 99"));
  EXPECT_THAT([&] { file.check_vocabulary(98); }, refused("token 150001 is 99"));
}

TEST_F(TokenFileTest, RefusesThirtyTwoBitTokensThatAreNoInt32) {
  put_llmc(20240801, 7, 2, std::string_view("\x01\x00\x00\x00\xFF\xFF\xFF\xFF", 8));
  const TokenFile file(files_, path_, TokenFormat::llmc);
  std::array<std::int32_t, 2> out{};

  EXPECT_THAT([&] { file.tokens(0, out); }, refused("token 1 is 4294967295"));
  EXPECT_THAT([&] { file.check_vocabulary(100'000); }, refused("token 1 is 4294967295"));
}

TEST_F(TokenFileTest, WritesNoTokenOutsideTheVocabulary) {
  TokenFileWriter writer(files_, path_, TokenFormat::llmc, 10);
  writer.append(std::vector<std::int32_t>{1, 2});

  EXPECT_THAT(
      [&] {
        writer.append(std::vector<std::int32_t>{3, 10});
      },
      ThrowsMessage<InvalidArgument>(HasSubstr("token 3 of")));
  EXPECT_THAT([&] { writer.append(std::vector<std::int32_t>{-1}); },
              ThrowsMessage<InvalidArgument>(HasSubstr("it is -1")));
}

TEST_F(TokenFileTest, WritesNoVocabularyThatTheFormatCannotHold) {
  EXPECT_THAT([&] { TokenFileWriter(files_, path_, TokenFormat::nanogpt, 65'537); },
              ThrowsMessage<InvalidArgument>(HasSubstr("use format llmc")));
  EXPECT_THAT([&] { TokenFileWriter(files_, path_, TokenFormat::llmc, 0); },
              testing::Throws<InvalidArgument>());
  EXPECT_THAT(files_.list(directory_.path()), IsEmpty());
}

TEST_F(TokenFileTest, AppearsCompleteOrNotAtAll) {
  FaultyFileSystem faulty(files_);
  const auto write_shard = [&] {
    TokenFileWriter writer(faulty, path_, TokenFormat::llmc, 10);
    writer.append(std::vector<std::int32_t>{1, 2, 3});
    writer.finish();
  };
  write_shard();
  const int operations = faulty.operations();
  files_.remove(path_);

  for (int failing = 0; failing < operations - 1; ++failing) {
    faulty.fail_at(failing, FaultyFileSystem::Fault::once);

    EXPECT_THROW(write_shard(), StorageError) << failing;

    EXPECT_THAT(files_.list(directory_.path()), IsEmpty()) << failing;
  }
}

}  // namespace
}  // namespace softmoe::training
