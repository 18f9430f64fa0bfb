// The program that nvcc's build gives: it starts on a machine without a driver and says so.

#include <gmock/gmock.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <string>

namespace softmoe::test {
namespace {

using testing::HasSubstr;
using testing::Not;

/// What a command prints, its errors included.
std::string output_of(const std::string& command) {
  std::string text;
  FILE* pipe = popen((command + " 2>&1").c_str(), "r");
  std::array<char, 4096> buffer{};
  while (std::fgets(buffer.data(), static_cast<int>(buffer.size()), pipe) != nullptr)
    text += buffer.data();
  pclose(pipe);
  return text;
}

TEST(CudaProgram, StartsWithoutADriverAndSaysWhatItFound) {
  EXPECT_THAT(output_of(SOFTMOE_PROGRAM " version"), HasSubstr("GPUs: "));
}

TEST(CudaProgram, NeedsTheRuntimeLibrariesAndNotTheDriver) {
  const std::string needed = output_of("readelf -d " SOFTMOE_PROGRAM);

  EXPECT_THAT(needed, HasSubstr("libcudart.so"));
  EXPECT_THAT(needed, HasSubstr("libcublas.so"));
  EXPECT_THAT(needed, HasSubstr("libnccl.so"));
  EXPECT_THAT(needed, Not(HasSubstr("libcuda.so")));
}

}  // namespace
}  // namespace softmoe::test
