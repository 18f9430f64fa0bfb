#include <gmock/gmock.h>

#include <array>
#include <cstring>

#include "runtime/storage/posix_file_system.h"
#include "runtime/storage/safetensors_reader.h"
#include "runtime/storage/safetensors_writer.h"
#include "tests/support/faulty_file_system.h"
#include "tests/support/storage_error_matcher.h"
#include "tests/support/temporary_directory.h"

namespace softmoe::storage {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;
using testing::ThrowsMessage;
using Kind = StorageError::Kind;

template <class T>
std::vector<T> read_all(const SafetensorsReader& reader, std::string_view name) {
  std::vector<T> values(static_cast<std::size_t>(reader.info(name).bytes) / sizeof(T));
  reader.read(name, std::as_writable_bytes(std::span(values)));
  return values;
}

class SafetensorsTest : public testing::Test {
 protected:
  void write(SafetensorsWriter& writer, std::string_view name, const auto& values) {
    writer.append(name, std::as_bytes(std::span(values)));
  }

  TemporaryDirectory directory_;
  PosixFileSystem files_;
  Path path_ = directory_ / "model.safetensors";
};

TEST_F(SafetensorsTest, GivesBackWhatWasWritten) {
  SafetensorsWriter writer(files_, path_,
                           {{"weights", DType::f32, {2, 3}},
                            {"moments", DType::f64, {2}},
                            {"halves", DType::bf16, {1, 2, 1}},
                            {"big", DType::i64, {1}},
                            {"ids", DType::i32, {3}},
                            {"tokens", DType::u16, {2}},
                            {"scalar", DType::f32, {}},
                            {"nothing", DType::f32, {4, 0}}},
                           {{"step", "12"}, {"note", "a \"quoted\"\nline"}});
  write(writer, "tokens", std::array<std::uint16_t, 2>{1, 65'535});
  write(writer, "weights", std::array<float, 6>{1, 2, 3, 4, 5, 6});
  write(writer, "halves", std::array<Bf16, 2>{Bf16(1.5F), Bf16(-2.0F)});
  write(writer, "scalar", std::array<float, 1>{7});
  write(writer, "ids", std::array<std::int32_t, 3>{-1, 0, 1});
  write(writer, "moments", std::array<double, 2>{0.1, -0.2});
  write(writer, "big", std::array<std::int64_t, 1>{-5'000'000'000});
  writer.finish();

  const SafetensorsReader reader(files_, path_);

  EXPECT_THAT(reader.metadata(),
              ElementsAre(Pair("note", "a \"quoted\"\nline"), Pair("step", "12")));
  EXPECT_THAT(reader.names(), ElementsAre("big", "moments", "ids", "nothing", "scalar", "weights",
                                          "halves", "tokens"));
  EXPECT_EQ(reader.tensors(), writer.tensors());
  EXPECT_EQ(reader.info("halves").dtype, DType::bf16);
  EXPECT_THAT(reader.info("weights").dims, ElementsAre(2, 3));
  EXPECT_THAT(reader.info("scalar").dims, IsEmpty());
  EXPECT_THAT(read_all<float>(reader, "weights"), ElementsAre(1, 2, 3, 4, 5, 6));
  EXPECT_THAT(read_all<double>(reader, "moments"), ElementsAre(0.1, -0.2));
  EXPECT_THAT(read_all<std::int64_t>(reader, "big"), ElementsAre(-5'000'000'000));
  EXPECT_THAT(read_all<std::int32_t>(reader, "ids"), ElementsAre(-1, 0, 1));
  EXPECT_THAT(read_all<std::uint16_t>(reader, "tokens"), ElementsAre(1, 65'535));
  EXPECT_THAT(read_all<float>(reader, "scalar"), ElementsAre(7));
  EXPECT_THAT(read_all<float>(reader, "nothing"), IsEmpty());
  EXPECT_EQ(static_cast<float>(read_all<Bf16>(reader, "halves")[1]), -2.0F);
}

TEST_F(SafetensorsTest, HasTheBytesOfTheFormat) {
  SafetensorsWriter writer(files_, path_, {{"attn0", DType::f32, {1, 2}}}, {{"k", "v"}});
  write(writer, "attn0", std::array<float, 2>{1, 2});

  writer.finish();

  // 87 bytes of JSON and one space make 88 = 0x58; 1.0F is 00 00 80 3F, 2.0F is 00 00 00 40.
  const std::string expected =
      std::string("\x58\0\0\0\0\0\0\0", 8) +
      R"({"__metadata__":{"k":"v"},"attn0":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]}})" +
      "   " + std::string("\0\0\x80\x3F\0\0\0\x40", 8);
  EXPECT_EQ(read_text(files_, path_, 1'000), expected);
}

TEST_F(SafetensorsTest, HoldsNoTensorAtAll) {
  SafetensorsWriter(files_, path_, {}).finish();

  EXPECT_EQ(read_text(files_, path_, 100), std::string("\x08\0\0\0\0\0\0\0{}      ", 16));
  EXPECT_THAT(SafetensorsReader(files_, path_).names(), IsEmpty());
}

TEST_F(SafetensorsTest, AlignsEachTensorToItsElements) {
  SafetensorsWriter writer(
      files_, path_, {{"a", DType::u16, {3}}, {"b", DType::f64, {1}}, {"c", DType::f32, {1}}});

  for (const TensorInfo& tensor : writer.tensors()) {
    EXPECT_EQ(tensor.begin % size_of(*tensor.dtype), 0) << tensor.name;
  }
  EXPECT_EQ(format_safetensors_header({.metadata = {}, .tensors = writer.tensors()}).size() % 8,
            0U);
}

TEST_F(SafetensorsTest, TakesATensorInPieces) {
  SafetensorsWriter writer(files_, path_, {{"a", DType::i32, {2}}, {"b", DType::i32, {2}}});
  write(writer, "a", std::array<std::int32_t, 1>{1});
  write(writer, "b", std::array<std::int32_t, 2>{3, 4});
  write(writer, "a", std::array<std::int32_t, 1>{2});
  writer.finish();

  const SafetensorsReader reader(files_, path_);

  EXPECT_THAT(read_all<std::int32_t>(reader, "a"), ElementsAre(1, 2));
  EXPECT_THAT(read_all<std::int32_t>(reader, "b"), ElementsAre(3, 4));
}

TEST_F(SafetensorsTest, ReadsARangeOfATensor) {
  SafetensorsWriter writer(files_, path_, {{"a", DType::i32, {4}}, {"b", DType::i32, {1}}});
  write(writer, "a", std::array<std::int32_t, 4>{10, 11, 12, 13});
  write(writer, "b", std::array<std::int32_t, 1>{14});
  writer.finish();
  const SafetensorsReader reader(files_, path_);
  std::array<std::int32_t, 2> out{};

  reader.read_range("a", 8, std::as_writable_bytes(std::span(out)));

  EXPECT_THAT(out, ElementsAre(12, 13));
  EXPECT_THAT([&] { reader.read_range("a", 12, std::as_writable_bytes(std::span(out))); },
              ThrowsMessage<InvalidArgument>(HasSubstr("8 bytes from byte 12")));
  EXPECT_THAT([&] { reader.read("a", std::as_writable_bytes(std::span(out))); },
              ThrowsMessage<InvalidArgument>(HasSubstr("it has 16 bytes, and the buffer has 8")));
  EXPECT_THAT([&] { (void)reader.info("c"); },
              FailsWith(Kind::bad_format, HasSubstr("has no tensor 'c'")));
}

TEST_F(SafetensorsTest, KnowsTheSizeOfForeignElementsAndRefusesToReadThem) {
  const std::string json = R"({"h":{"dtype":"F16","shape":[2],"data_offsets":[0,4]},)"
                           R"("q":{"dtype":"F6_E2M3","shape":[4],"data_offsets":[4,7]}})";
  const auto length = static_cast<char>(json.size());
  write_file(files_, path_,
             bytes_of(std::string(1, length) + std::string(7, '\0') + json + "1234567"));
  const SafetensorsReader reader(files_, path_);
  std::array<std::byte, 4> out{};

  EXPECT_EQ(reader.info("h").bytes, 4);
  EXPECT_EQ(reader.info("h").dtype, std::nullopt);
  EXPECT_THAT([&] { reader.read("h", out); },
              FailsWith(Kind::bad_format, AllOf(HasSubstr("F16"), HasSubstr("convert"))));
}

TEST_F(SafetensorsTest, WritesNoTensorPartly) {
  SafetensorsWriter writer(files_, path_, {{"a", DType::i32, {2}}});
  write(writer, "a", std::array<std::int32_t, 1>{1});

  EXPECT_THAT([&] { writer.finish(); },
              ThrowsMessage<InvalidArgument>(HasSubstr("4 of the 8 bytes of the tensor 'a'")));
  EXPECT_THAT(
      [&] {
        write(writer, "a", std::array<std::int32_t, 2>{2, 3});
      },
      ThrowsMessage<InvalidArgument>(HasSubstr("4 of its 8 are written")));
  EXPECT_THAT([&] { write(writer, "b", std::array<std::int32_t, 1>{1}); },
              ThrowsMessage<InvalidArgument>(HasSubstr("it was not declared")));
  EXPECT_FALSE(files_.exists(path_));
}

TEST_F(SafetensorsTest, RefusesDeclarationsThatTheFormatCannotHold) {
  const auto declaring = [&](std::vector<TensorDeclaration> tensors) {
    return [this, tensors] { SafetensorsWriter(files_, path_, tensors); };
  };
  constexpr std::int64_t kHuge = std::int64_t{1} << 40;

  EXPECT_THAT(declaring({{"a", DType::f32, {1}}, {"a", DType::f64, {1}}}),
              ThrowsMessage<InvalidArgument>(HasSubstr("'a' twice")));
  EXPECT_THAT(declaring({{"__metadata__", DType::f32, {1}}}),
              ThrowsMessage<InvalidArgument>(HasSubstr("keeps this name")));
  EXPECT_THAT(declaring({{std::string(1'025, 'x'), DType::f32, {1}}}),
              ThrowsMessage<InvalidArgument>(HasSubstr("1025 bytes")));
  EXPECT_THAT(declaring({{"a", DType::f32, {kHuge, kHuge}}}),
              ThrowsMessage<InvalidArgument>(HasSubstr("overflows")));
  EXPECT_THAT(declaring({{"a", DType::f32, {-1}}}),
              ThrowsMessage<InvalidArgument>(HasSubstr("negative")));
  EXPECT_THAT(declaring({{"a", DType::f32, {1, 1, 1, 1, 1, 1, 1, 1, 1}}}),
              ThrowsMessage<InvalidArgument>(HasSubstr("9 dims")));
  EXPECT_THAT(declaring({{"\xFF", DType::f32, {1}}}),
              ThrowsMessage<InvalidArgument>(HasSubstr("not UTF-8")));
  EXPECT_THAT(files_.list(directory_.path()), IsEmpty());
}

TEST_F(SafetensorsTest, LeavesNothingBehindWhicheverOperationFails) {
  FaultyFileSystem faulty(files_);
  const auto write_model = [&] {
    SafetensorsWriter writer(faulty, path_, {{"a", DType::i32, {2}}});
    write(writer, "a", std::array<std::int32_t, 2>{1, 2});
    writer.finish();
  };
  write_model();
  const int operations = faulty.operations();
  files_.remove(path_);

  for (int failing = 0; failing < operations - 1; ++failing) {
    faulty.fail_at(failing, FaultyFileSystem::Fault::once);

    EXPECT_THROW(write_model(), StorageError) << failing;

    EXPECT_THAT(files_.list(directory_.path()), IsEmpty()) << failing;
  }
}

}  // namespace
}  // namespace softmoe::storage
