// Files made to break a reader. Each rule of the format has a test that breaks this rule alone, and
// thousands of random mutations of a good file must be read correctly or refused.

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gmock/gmock.h>

#include <array>
#include <bit>
#include <random>

#include "runtime/storage/atomic_file.h"
#include "runtime/storage/posix_file_system.h"
#include "runtime/storage/safetensors_reader.h"
#include "tests/support/storage_error_matcher.h"
#include "tests/support/temporary_directory.h"

namespace softmoe::storage {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using Kind = StorageError::Kind;

class SafetensorsAttack : public testing::Test {
 protected:
  /// An action that opens a file of these bytes.
  auto opening_bytes(std::string bytes) {
    return [this, bytes = std::move(bytes)] {
      write_file(files_, path_, bytes_of(bytes));
      (void)SafetensorsReader(files_, path_);
    };
  }

  /// An action that opens a file with this header and so many bytes of data.
  auto opening(const std::string& json, std::size_t data_bytes) {
    return opening_bytes(with_length(json.size(), json + std::string(data_bytes, 'd')));
  }

  static std::string with_length(std::uint64_t length, const std::string& rest) {
    const auto prefix = std::bit_cast<std::array<char, 8>>(length);
    return std::string(prefix.data(), prefix.size()) + rest;
  }

  static auto refused(const std::string& rule) {
    return FailsWith(Kind::bad_format, AllOf(HasSubstr("model.safetensors"), HasSubstr(rule)));
  }

  static std::string tensor(const std::string& name, const std::string& rest) {
    return fmt::format(R"("{}":{{"dtype":"I32",{}}})", name, rest);
  }

  static std::string object(const std::vector<std::string>& members) {
    return fmt::format("{{{}}}", fmt::join(members, ","));
  }

  TemporaryDirectory directory_;
  PosixFileSystem files_;
  Path path_ = directory_ / "model.safetensors";
};

const std::string kOne = R"("shape":[1],"data_offsets":[0,4])";
const std::string kTwo = R"("shape":[1],"data_offsets":[4,8])";

TEST_F(SafetensorsAttack, AGoodFileIsNone) {
  EXPECT_NO_THROW(opening(object({tensor("a", kOne), tensor("b", kTwo)}) + "   ", 8)());
}

TEST_F(SafetensorsAttack, OfAMissingFile) {
  EXPECT_THAT([&] { SafetensorsReader(files_, path_); },
              FailsWith(Kind::missing, HasSubstr("model.safetensors")));
}

TEST_F(SafetensorsAttack, OfAFileShorterThanItsPrefix) {
  EXPECT_THAT(opening_bytes(""), refused("it has 0 bytes"));
  EXPECT_THAT(opening_bytes("1234567"), refused("it has 7 bytes"));
}

TEST_F(SafetensorsAttack, OfAHeaderLongerThanTheFile) {
  EXPECT_THAT(opening_bytes(with_length(3, "{}")), refused("would have 3 bytes"));
}

TEST_F(SafetensorsAttack, OfAHeaderAboveTheLimit) {
  EXPECT_THAT(opening_bytes(with_length(100'000'001, "{}")), refused("at most 100000000"));
  EXPECT_THAT(opening_bytes(with_length(~0ULL, "{}")), refused("at most 100000000"));
}

TEST_F(SafetensorsAttack, OfAHeaderThatIsNoObject) {
  EXPECT_THAT(opening("", 0), refused("does not begin with '{'"));
  EXPECT_THAT(opening(" {}", 0), refused("does not begin with '{'"));
  EXPECT_THAT(opening("[]", 0), refused("does not begin with '{'"));
}

TEST_F(SafetensorsAttack, OfAHeaderThatIsNoJson) {
  EXPECT_THAT(opening("{", 0), refused("not JSON in UTF-8"));
  EXPECT_THAT(opening("{}x", 0), refused("not JSON in UTF-8"));
  EXPECT_THAT(opening("{}{}", 0), refused("not JSON in UTF-8"));
  EXPECT_THAT(opening("{/**/}", 0), refused("not JSON in UTF-8"));
  EXPECT_THAT(opening(object({tensor("\xC3\x28", kOne)}), 4), refused("not JSON in UTF-8"));
}

TEST_F(SafetensorsAttack, OfTextHiddenBehindAZeroByte) {
  EXPECT_THAT(opening(std::string("{}\0", 3), 0), refused("a zero byte"));
  EXPECT_THAT(opening(std::string("{}\0{\"a\":1}", 10), 0), refused("a zero byte"));
}

TEST_F(SafetensorsAttack, OfDeepNesting) {
  std::string deep = R"({"a":)";
  for (int i = 0; i < 100'000; ++i) deep += R"({"shape":)";

  EXPECT_THAT(opening(deep, 0), refused("shape is or holds an object"));
  EXPECT_THAT(opening(R"({"a":{"shape":[[1]]}})", 0), refused("shape is or holds a list"));
}

TEST_F(SafetensorsAttack, OfADuplicateTensor) {
  EXPECT_THAT(opening(object({tensor("a", kOne), tensor("a", kTwo)}), 8),
              refused("the tensor 'a' twice"));
  EXPECT_THAT(opening(object({tensor("a", kOne), tensor("\\u0061", kTwo)}), 8),
              refused("the tensor 'a' twice"));
}

TEST_F(SafetensorsAttack, OfADuplicateEntryOfATensor) {
  EXPECT_THAT(opening(object({tensor("a", R"("dtype":"F32",)" + kOne)}), 4),
              refused("dtype is there twice"));
  EXPECT_THAT(opening(object({tensor("a", R"("shape":[2],)" + kOne)}), 4),
              refused("shape is there twice"));
}

TEST_F(SafetensorsAttack, OfDuplicateMetadata) {
  EXPECT_THAT(opening(R"({"__metadata__":{},"__metadata__":{}})", 0),
              refused("__metadata__ twice"));
  EXPECT_THAT(opening(R"({"__metadata__":{"k":"1","k":"2"}})", 0), refused("'k' twice"));
}

TEST_F(SafetensorsAttack, OfMetadataThatIsNoText) {
  EXPECT_THAT(opening(R"({"__metadata__":{"k":1}})", 0), refused("'k' is a number"));
  EXPECT_THAT(opening(R"({"__metadata__":{"k":{}}})", 0), refused("'k' is an object"));
  EXPECT_THAT(opening(R"({"__metadata__":null})", 0), refused("null"));
}

TEST_F(SafetensorsAttack, OfUnknownEntriesAndTypes) {
  EXPECT_THAT(opening(object({tensor("a", kOne + R"(,"strides":[1])")}), 4),
              refused("no entry 'strides'"));
  EXPECT_THAT(opening(R"({"a":{"dtype":"F33",)" + kOne + "}}", 4), refused("type 'F33'"));
  EXPECT_THAT(opening(R"({"a":[]})", 0), refused("a list"));
}

TEST_F(SafetensorsAttack, OfMissingEntries) {
  EXPECT_THAT(opening(object({tensor("a", R"("shape":[1])")}), 4), refused("it lacks one of"));
  EXPECT_THAT(opening(R"({"a":{}})", 0), refused("it lacks one of"));
}

TEST_F(SafetensorsAttack, OfNumbersThatAreNoSizes) {
  for (const char* extent : {"-1", "1.0", "1e0", "\"1\"", "null", "true", "18446744073709551616",
                             "9223372036854775808"}) {
    const std::string json =
        object({tensor("a", fmt::format(R"("shape":[{}],"data_offsets":[0,4])", extent))});

    EXPECT_THAT(opening(json, 4), refused("tensor 'a'")) << extent;
  }
}

TEST_F(SafetensorsAttack, OfOffsetsThatAreNoRange) {
  for (const char* offsets : {"[]", "[0]", "[4,0]", "[0,4,4]"}) {
    const std::string json =
        object({tensor("a", fmt::format(R"("shape":[1],"data_offsets":{})", offsets))});

    EXPECT_THAT(opening(json, 4), refused("data_offsets")) << offsets;
  }
}

TEST_F(SafetensorsAttack, OfAShapeThatOverflows) {
  const std::string huge = "[4294967296,4294967296]";  // 2^64 elements, 0 in 64 bits

  EXPECT_THAT(opening(object({tensor("a", R"("shape":)" + huge + R"(,"data_offsets":[0,0])")}), 0),
              refused("overflows 64 bits"));
}

TEST_F(SafetensorsAttack, OfMoreDimsThanAllowed) {
  const std::string json =
      object({tensor("a", R"("shape":[1,1,1,1,1,1,1,1,1],"data_offsets":[0,4])")});

  EXPECT_THAT(opening(json, 4), refused("shape has more than 8 numbers"));
}

TEST_F(SafetensorsAttack, OfASizeThatContradictsTheShape) {
  EXPECT_THAT(opening(object({tensor("a", R"("shape":[2],"data_offsets":[0,4])")}), 4),
              refused("span 4 bytes, but dtype and shape make 8"));
}

TEST_F(SafetensorsAttack, OfElementsThatFillNoBytes) {
  EXPECT_THAT(opening(R"({"a":{"dtype":"F4","shape":[3],"data_offsets":[0,1]}})", 1),
              refused("12 bits are no whole bytes"));
}

TEST_F(SafetensorsAttack, OfAHoleInTheData) {
  EXPECT_THAT(opening(object({tensor("a", R"("shape":[1],"data_offsets":[4,8])")}), 8),
              refused("behind the byte 0"));
  EXPECT_THAT(
      opening(object({tensor("a", kOne), tensor("b", R"("shape":[1],"data_offsets":[5,9])")}), 9),
      refused("behind the byte 4"));
}

TEST_F(SafetensorsAttack, OfTensorsThatOverlap) {
  EXPECT_THAT(opening(object({tensor("a", kOne), tensor("b", kOne)}), 4),
              refused("ahead of the byte 4"));
}

TEST_F(SafetensorsAttack, OfDataCutShortOrAddedTo) {
  EXPECT_THAT(opening(object({tensor("a", kOne)}), 3), refused("take 4 bytes, but 3 follow"));
  EXPECT_THAT(opening(object({tensor("a", kOne)}), 5), refused("take 4 bytes, but 5 follow"));
}

TEST_F(SafetensorsAttack, OfALongName) {
  EXPECT_THAT(opening(object({tensor(std::string(1'025, 'x'), kOne)}), 4),
              refused("1025 bytes, and at most 1024"));
}

TEST_F(SafetensorsAttack, OfTooManyTensors) {
  std::string json = "{";
  for (std::size_t i = 0; i < kMaxTensors; ++i) {
    json += fmt::format(R"("{}":{{"dtype":"U8","shape":[0],"data_offsets":[0,0]}},)", i);
  }
  json += R"("last":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}})";

  EXPECT_THAT(opening(json, 0), refused("more than 1000000 tensors"));
}

TEST_F(SafetensorsAttack, OfANameThatSteersTheTerminal) {
  EXPECT_THAT(opening(object({tensor("\\u001b[2J", R"("shape":[2],"data_offsets":[0,4])")}), 4),
              FailsWith(Kind::bad_format, AllOf(HasSubstr("\\x1b[2J"), Not(HasSubstr("\x1b")))));
}

/// Reads all of a file; false if it was refused. Anything but a StorageError fails the test.
bool reads_or_refuses(FileSystem& files, const Path& path) {
  try {
    const SafetensorsReader reader(files, path);
    for (const TensorInfo& tensor : reader.tensors()) {
      std::vector<std::byte> out(static_cast<std::size_t>(tensor.bytes));
      if (tensor.dtype) reader.read(tensor.name, out);
    }
    return true;
  } catch (const StorageError& error) {
    EXPECT_EQ(error.kind(), Kind::bad_format) << error.what();
    return false;
  }
}

std::string mutated(std::string bytes, std::mt19937& random) {
  const auto below = [&](std::size_t n) { return static_cast<std::size_t>(random() % n); };
  for (std::size_t edits = 1 + below(3); edits > 0 && !bytes.empty(); --edits) {
    const std::size_t place = below(bytes.size());
    switch (below(6)) {
      case 0:
        bytes[place] = static_cast<char>(random());
        break;
      case 1:
        bytes[place] = static_cast<char>(bytes[place] ^ (1 << below(8)));
        break;
      case 2:
        bytes.resize(place);
        break;
      case 3:
        bytes.insert(place, 1, "0123456789[]{}\",:"[below(17)]);
        break;
      case 4:
        bytes.erase(place, 1 + below(8));
        break;
      default:
        bytes.insert(place, bytes.substr(below(bytes.size()), below(40)));
        break;
    }
  }
  return bytes;
}

TEST_F(SafetensorsAttack, OfRandomMutationsIsReadOrRefused) {
  const std::string json =
      R"({"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]},)"
      R"("b":{"dtype":"U16","shape":[3],"data_offsets":[16,22]},)"
      R"("c":{"dtype":"F16","shape":[],"data_offsets":[22,24]}})";
  const std::string good = with_length(json.size(), json + std::string(24, 'd'));
  std::mt19937 random(20'240'520);
  int accepted = 0;

  // The file is rewritten in place: 20,000 durable writes would test the disk.
  for (int round = 0; round < 20'000; ++round) {
    const std::string bytes = mutated(good, random);
    files_.remove(path_);
    files_.create(path_)->append(bytes_of(bytes));

    accepted += reads_or_refuses(files_, path_) ? 1 : 0;
    ASSERT_FALSE(HasFailure()) << "round " << round;
  }

  // Changes of names, texts and data are no damage to the format; all else is.
  EXPECT_GT(accepted, 100);
  EXPECT_LT(accepted, 10'000);
}

}  // namespace
}  // namespace softmoe::storage
