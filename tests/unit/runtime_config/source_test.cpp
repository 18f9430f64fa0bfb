#include "runtime/config/source.h"

#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "tests/unit/runtime_config/sample_config.h"

namespace softmoe::config {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

class SourceFile : public testing::Test {
 protected:
  SourceFile() : folder_(testing::TempDir() + "softmoe_source_" + std::to_string(::getpid())) {
    std::filesystem::create_directories(folder_);
  }
  ~SourceFile() override { std::filesystem::remove_all(folder_); }

  [[nodiscard]] std::filesystem::path write(const std::string& name,
                                            const std::string& text) const {
    std::ofstream(folder_ / name, std::ios::binary) << text;
    return folder_ / name;
  }

  static std::string error_of(const std::filesystem::path& path) {
    try {
      (void)Source::file(path);
      return {};
    } catch (const ConfigError& error) {
      return error.what();
    }
  }

  std::filesystem::path folder_;
};

TEST_F(SourceFile, IsReadAndNamedByItsPath) {
  const std::filesystem::path path = write("train.yaml", "num_steps: 5\n");

  const Loaded<SampleConfig> loaded = load<SampleConfig>(Source::file(path));

  EXPECT_EQ(loaded.value.num_steps, 5);
  EXPECT_EQ(loaded.origins.find("num_steps")->origin, path.string() + ":1:1");
}

TEST_F(SourceFile, IsRefusedIfItIsMissing) {
  EXPECT_THAT(error_of(folder_ / "no.yaml"),
              HasSubstr("cannot open the configuration: No such file"));
}

TEST_F(SourceFile, IsRefusedIfItIsNotARegularFile) {
  const std::filesystem::path fifo = folder_ / "fifo";
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);

  EXPECT_THAT(error_of(folder_), HasSubstr("not a regular file"));
  EXPECT_THAT(error_of(fifo), HasSubstr("not a regular file"));
  EXPECT_THAT(error_of("/dev/zero"), StartsWith("/dev/zero: error: not a regular file"));
}

TEST_F(SourceFile, HasAtMostAMebibyte) {
  const std::string fits(Source::kMaxBytes, '#');

  EXPECT_EQ(error_of(write("fits.yaml", fits)), "");
  EXPECT_THAT(error_of(write("long.yaml", fits + "#")), HasSubstr("longer than 1048576 bytes"));
  EXPECT_THROW((void)Source::text(fits + "#"), ConfigError);
}

TEST(Source, FindsItsLines) {
  const Source source = Source::text("one\r\n\nthree");

  EXPECT_EQ(source.line(1), "one");
  EXPECT_EQ(source.line(2), "");
  EXPECT_EQ(source.line(3), "three");
  EXPECT_EQ(source.line(0), "");
  EXPECT_EQ(source.line(4), "");
  EXPECT_EQ(source.offset(3, 2), 7U);
  EXPECT_EQ(source.offset(9, 1), source.text().size());
}

}  // namespace
}  // namespace softmoe::config
