#include "runtime/storage/safetensors_index.h"

#include <gmock/gmock.h>

#include "runtime/storage/atomic_file.h"
#include "runtime/storage/posix_file_system.h"
#include "tests/support/storage_error_matcher.h"
#include "tests/support/temporary_directory.h"

namespace softmoe::storage {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;
using Kind = StorageError::Kind;

class SafetensorsIndexTest : public testing::Test {
 protected:
  SafetensorsIndex read(std::string_view json) {
    write_file(files_, path_, bytes_of(json));
    return read_safetensors_index(files_, path_);
  }

  auto reading(std::string json) {
    return [this, json = std::move(json)] { (void)read(json); };
  }

  static auto refused(const std::string& rule) {
    return FailsWith(Kind::bad_format, AllOf(HasSubstr("index.json"), HasSubstr(rule)));
  }

  TemporaryDirectory directory_;
  PosixFileSystem files_;
  Path path_ = directory_ / "model.safetensors.index.json";
};

TEST_F(SafetensorsIndexTest, NamesTheFileOfEachTensor) {
  const SafetensorsIndex index = read(
      R"({"metadata":{"total_size":8},"weight_map":{"b":"m-2.safetensors","a":"m-1.safetensors"}})");

  EXPECT_THAT(index, ElementsAre(Pair("a", "m-1.safetensors"), Pair("b", "m-2.safetensors")));
}

TEST_F(SafetensorsIndexTest, LetsNoFileLeaveItsDirectory) {
  for (const char* name : {"../x", "/etc/passwd", "a/b", "..", ".", "", "a\\\\b", "a\\u0000b"}) {
    const std::string json = std::string(R"({"weight_map":{"t":")") + name + R"("}})";

    EXPECT_THAT(reading(json), refused("a bare file name is expected")) << name;
  }
}

TEST_F(SafetensorsIndexTest, RefusesDuplicateKeys) {
  EXPECT_THAT(reading(R"({"weight_map":{"t":"a","t":"b"}})"), refused("'t' twice"));
  EXPECT_THAT(reading(R"({"weight_map":{},"weight_map":{}})"), refused("'weight_map' twice"));
  EXPECT_NO_THROW(reading(R"({"metadata":{"t":"1"},"weight_map":{"t":"a"}})")());
}

TEST_F(SafetensorsIndexTest, RefusesWhatIsNoIndex) {
  EXPECT_THAT(reading("[]"), refused("no weight_map"));
  EXPECT_THAT(reading(R"({"weight_map":[]})"), refused("no weight_map"));
  EXPECT_THAT(reading(R"({"weight_map":{"t":1}})"), refused("a bare file name is expected"));
  EXPECT_THAT(reading("{"), refused("not JSON"));
  EXPECT_THAT(reading(std::string("{\"weight_map\":{}}\0{}", 19)), refused("a zero byte"));
  EXPECT_THAT(reading(std::string(100'000, '[')), refused("nested too deeply"));
  EXPECT_THAT([&] { (void)read_safetensors_index(files_, directory_ / "absent"); },
              FailsWith(Kind::missing, HasSubstr("absent")));
}

}  // namespace
}  // namespace softmoe::storage
