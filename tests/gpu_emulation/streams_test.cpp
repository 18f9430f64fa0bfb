// Streams and events by CUDA's own calls: what is held back, in which orders it may run, and what
// is reported.

#include <cuda_runtime.h>
#include <gmock/gmock.h>

#include <array>
#include <chrono>
#include <set>
#include <thread>

#include "tests/gpu_emulation/emulation.h"

namespace softmoe::gpu_emulation {
namespace {

using testing::HasSubstr;

/// Two streams, an event, and four bytes on device 0.
class Streams : public testing::Test {
 protected:
  Streams() {
    cudaSetDevice(0);
    for (cudaStream_t& stream : stream_) {
      cudaStreamCreateWithPriority(&stream, cudaStreamNonBlocking, 0);
    }
    cudaEventCreateWithFlags(&event_, cudaEventDisableTiming);
    cudaMalloc(&memory_, 4);
  }
  ~Streams() override {
    cudaFree(memory_);
    cudaEventDestroy(event_);
    for (const cudaStream_t stream : stream_) cudaStreamDestroy(stream);
    set_deadlock_patience(std::chrono::seconds(20));
  }

  void fill(int value, cudaStream_t stream) const {
    ASSERT_EQ(cudaMemsetAsync(memory_, value, 4, stream), cudaSuccess);
  }
  [[nodiscard]] int first_byte(cudaStream_t stream) const {
    std::array<unsigned char, 4> bytes{};
    EXPECT_EQ(cudaMemcpyAsync(bytes.data(), memory_, 4, cudaMemcpyDeviceToHost, stream),
              cudaSuccess);
    EXPECT_EQ(cudaStreamSynchronize(stream), cudaSuccess);
    return bytes[0];
  }

  std::array<cudaStream_t, 2> stream_{};
  cudaEvent_t event_ = nullptr;
  void* memory_ = nullptr;
};

TEST_F(Streams, NothingRunsUntilSomebodyWaits) {
  std::array<unsigned char, 4> bytes{};
  cudaMemcpyAsync(bytes.data(), memory_, 4, cudaMemcpyDeviceToHost, stream_[0]);
  // Looking is a race, and reported where races are.
  if (checks() != Checks::fibers) {
    EXPECT_EQ(bytes[0], 0);
  }

  cudaStreamSynchronize(stream_[0]);
  EXPECT_EQ(bytes[0], 0xff);  // fresh memory
}

TEST_F(Streams, HostMemoryIsReadWhenTheCopyRuns) {
  std::array<unsigned char, 4> bytes{1, 1, 1, 1};
  cudaMemcpyAsync(memory_, bytes.data(), 4, cudaMemcpyHostToDevice, stream_[0]);
  if (checks() != Checks::fibers) bytes[0] = 2;  // there it would be a race, and reported

  EXPECT_EQ(first_byte(stream_[0]), checks() == Checks::fibers ? 1 : 2);
}

TEST_F(Streams, WorkOfOneStreamKeepsItsOrder) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    set_seed(seed);
    fill(1, stream_[0]);
    fill(2, stream_[0]);
    EXPECT_EQ(first_byte(stream_[0]), 2);
  }
}

TEST_F(Streams, WorkOfTwoStreamsRunsInEitherOrder) {
  if (checks() == Checks::fibers) GTEST_SKIP() << "two fills of one place are a race there";
  std::set<int> last;
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    set_seed(seed);
    fill(1, stream_[0]);
    fill(2, stream_[1]);
    cudaStreamSynchronize(stream_[0]);
    cudaStreamSynchronize(stream_[1]);
    last.insert(first_byte(stream_[0]));
  }

  EXPECT_THAT(last, testing::ElementsAre(1, 2));
}

TEST_F(Streams, AnEventOrdersThem) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    set_seed(seed);
    fill(1, stream_[0]);
    cudaEventRecord(event_, stream_[0]);
    cudaStreamWaitEvent(stream_[1], event_, 0);
    fill(2, stream_[1]);
    EXPECT_EQ(first_byte(stream_[1]), 2);
  }
}

TEST_F(Streams, AWaitMeansTheLastRecordAtThatTime) {
  cudaStreamWaitEvent(stream_[1], event_, 0);  // never recorded: no wait
  fill(1, stream_[1]);
  EXPECT_EQ(first_byte(stream_[1]), 1);

  fill(2, stream_[0]);
  cudaEventRecord(event_, stream_[0]);
  cudaStreamWaitEvent(stream_[1], event_, 0);
  // Recorded again behind the other stream: a wait for this one would never end.
  cudaEventRecord(event_, stream_[1]);
  cudaStreamWaitEvent(stream_[0], event_, 0);
  EXPECT_EQ(first_byte(stream_[0]), 2);
}

TEST_F(Streams, AQueryTellsTheTruthAndGetsThere) {
  fill(1, stream_[0]);
  fill(1, stream_[0]);
  fill(1, stream_[0]);
  cudaEventRecord(event_, stream_[0]);

  EXPECT_EQ(cudaEventQuery(event_), cudaErrorNotReady);
  int queries = 1;
  while (cudaEventQuery(event_) == cudaErrorNotReady) ++queries;
  EXPECT_EQ(queries, 3);
}

TEST_F(Streams, WorkOfADestroyedStreamStillRuns) {
  cudaStream_t gone = nullptr;
  cudaStreamCreateWithPriority(&gone, cudaStreamNonBlocking, 0);
  fill(3, gone);
  cudaEventRecord(event_, gone);
  EXPECT_EQ(cudaStreamDestroy(gone), cudaSuccess);
  cudaEventSynchronize(event_);

  EXPECT_EQ(first_byte(stream_[0]), 3);
  EXPECT_EQ(cudaStreamSynchronize(gone), cudaErrorInvalidResourceHandle);
  EXPECT_THAT(take_faults().at(0).text, HasSubstr("destroyed or never made"));
}

TEST_F(Streams, TheDefaultStreamIsRefused) {
  EXPECT_EQ(cudaMemsetAsync(memory_, 0, 4, nullptr), cudaErrorInvalidResourceHandle);
  EXPECT_EQ(cudaGetLastError(), cudaErrorInvalidResourceHandle);
  EXPECT_EQ(cudaGetLastError(), cudaSuccess);

  EXPECT_THAT(take_faults().at(0).text, HasSubstr("default stream"));
}

TEST_F(Streams, OneThreadRunsTheWorkOfAnother) {
  fill(1, stream_[0]);
  cudaEventRecord(event_, stream_[0]);
  std::thread other([&] {
    cudaStreamWaitEvent(stream_[1], event_, 0);
    fill(2, stream_[1]);
    EXPECT_EQ(first_byte(stream_[1]), 2);
  });
  other.join();
}

TEST_F(Streams, EightThreadsWithADeviceEach) {
  std::vector<std::thread> ranks;
  for (int rank = 0; rank < kNumDevices; ++rank) {
    ranks.emplace_back([rank] {
      ASSERT_EQ(cudaSetDevice(rank), cudaSuccess);
      cudaStream_t stream = nullptr;
      cudaStreamCreateWithPriority(&stream, cudaStreamNonBlocking, 0);
      void* memory = nullptr;
      ASSERT_EQ(cudaMalloc(&memory, 1000), cudaSuccess);
      std::vector<unsigned char> bytes(1000);
      for (int round = 0; round < 50; ++round) {
        cudaMemsetAsync(memory, rank, 1000, stream);
        cudaMemcpyAsync(bytes.data(), memory, 1000, cudaMemcpyDeviceToHost, stream);
        cudaStreamSynchronize(stream);
        EXPECT_THAT(bytes, testing::Each(rank));
      }
      cudaFree(memory);
      cudaStreamDestroy(stream);
    });
  }
  for (std::thread& rank : ranks) rank.join();
}

TEST_F(Streams, WorkThatNobodyWaitsForIsAFault) {
  fill(1, stream_[0]);
  require_idle();

  const std::vector<Fault> faults = take_faults();
  ASSERT_EQ(faults.size(), 1U);
  EXPECT_EQ(faults[0].kind, FaultKind::pending_work);
  EXPECT_THAT(faults[0].text, HasSubstr("a fill of 4 bytes"));
}

}  // namespace
}  // namespace softmoe::gpu_emulation
