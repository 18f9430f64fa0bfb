// Ranks that do not fit together, planted: the emulated NCCL must name both sides.

#include <gmock/gmock.h>
#include <nccl.h>

#include <chrono>

#include "parallel/bytes.h"
#include "runtime/device/cuda_device.h"
#include "tests/gpu_emulation/emulation.h"
#include "tests/support/nccl_world.h"
#include "tests/support/patience.h"

namespace softmoe::gpu_emulation {
namespace {

using namespace std::chrono_literals;
using parallel::Communicator;
using parallel::ReceiveMessage;
using parallel::SendMessage;
using test::OnDevice;
using test::patience;
using test::run_nccl_ranks;
using testing::AllOf;
using testing::AnyOf;
using testing::Contains;
using testing::ElementsAre;
using testing::Field;
using testing::HasSubstr;

using Bytes8 = std::vector<std::byte>;

auto is_fault(FaultKind kind, const testing::Matcher<const std::string&>& text) {
  return AllOf(Field(&Fault::kind, kind), Field(&Fault::text, text));
}

class NcclFaults : public testing::Test {
 protected:
  NcclFaults() { set_deadlock_patience(patience(300ms)); }
  ~NcclFaults() override { set_deadlock_patience(20s); }
};

/// One message from rank 0 to rank 1, with the bytes that each side says; none: not listed.
void send_one(Communicator& communicator, OnDevice& device, int bytes_sent, int bytes_received) {
  std::vector<SendMessage> sends;
  std::vector<ReceiveMessage> receives;
  if (communicator.rank() == Rank(0) && bytes_sent > 0)
    sends.push_back({Rank(1), device.upload(Bytes8(static_cast<std::size_t>(bytes_sent)))});
  if (communicator.rank() == Rank(1) && bytes_received > 0)
    receives.push_back({Rank(0), device.saved.push<std::byte>(bytes_received)});
  communicator.exchange(sends, receives, device.stream);
  device.stream.synchronize();
}

void gather(Communicator& communicator, OnDevice& device, int bytes) {
  communicator.all_gather(device.upload(Bytes8(static_cast<std::size_t>(bytes))),
                          device.saved.push<std::byte>(bytes * communicator.size()), device.stream);
  device.stream.synchronize();
}

void broadcast(Communicator& communicator, OnDevice& device, Rank root) {
  communicator.broadcast(device.upload(Bytes8(4)), root, device.stream);
  device.stream.synchronize();
}

TEST_F(NcclFaults, ASendThatNobodyReceivesIsADeadlockOfBoth) {
  EXPECT_THROW(run_nccl_ranks(2, [](Communicator& communicator,
                                    OnDevice& device) { send_one(communicator, device, 12, 0); }),
               DeviceError);

  EXPECT_THAT(
      take_faults(),
      ElementsAre(is_fault(
          FaultKind::deadlock,
          AllOf(HasSubstr("rank 0 of communicator"), HasSubstr("a send of 12 bytes to rank 1"),
                HasSubstr("no partner at rank 1, which has nothing under way in it")))));
}

TEST_F(NcclFaults, AReceiveThatNobodySendsIsADeadlockOfBoth) {
  EXPECT_THROW(run_nccl_ranks(2, [](Communicator& communicator,
                                    OnDevice& device) { send_one(communicator, device, 0, 12); }),
               DeviceError);

  EXPECT_THAT(take_faults(),
              ElementsAre(is_fault(FaultKind::deadlock,
                                   AllOf(HasSubstr("rank 1 of communicator"),
                                         HasSubstr("a receive of 12 bytes from rank 0"),
                                         HasSubstr("no partner at rank 0, which has nothing")))));
}

TEST_F(NcclFaults, ASendThatMeetsACollectiveIsADeadlockOfBoth) {
  EXPECT_ANY_THROW(run_nccl_ranks(2, [](Communicator& communicator, OnDevice& device) {
    if (communicator.rank() == Rank(0)) send_one(communicator, device, 12, 0);
    gather(communicator, device, 4);
  }));

  EXPECT_THAT(
      take_faults(),
      Contains(is_fault(
          FaultKind::deadlock,
          AllOf(
              HasSubstr("a send of 12 bytes to rank 1 [no partner at rank 1, which is in an "
                        "all-gather of 4 bytes]"),
              HasSubstr("an all-gather of 4 bytes [no partner at rank 0, which is in a send of 12 "
                        "bytes to rank 1]")))));
}

TEST_F(NcclFaults, CountsThatDifferAreNamedWithBothRanks) {
  EXPECT_THROW(run_nccl_ranks(2, [](Communicator& communicator,
                                    OnDevice& device) { send_one(communicator, device, 12, 16); }),
               CommError);

  EXPECT_THAT(take_faults(),
              ElementsAre(is_fault(FaultKind::communication,
                                   AllOf(HasSubstr("send of 12 bytes to rank 1"),
                                         HasSubstr("receive of 16 bytes from rank 0")))));
}

TEST_F(NcclFaults, CollectivesOfOtherKindCountOrRootAreNamedWithBothRanks) {
  EXPECT_THROW(run_nccl_ranks(2,
                              [](Communicator& communicator, OnDevice& device) {
                                if (communicator.rank() == Rank(0)) {
                                  gather(communicator, device, 4);
                                } else {
                                  broadcast(communicator, device, Rank(0));
                                }
                              }),
               CommError);
  EXPECT_THAT(take_faults(), ElementsAre(is_fault(FaultKind::communication,
                                                  AllOf(HasSubstr("all-gather of 4 bytes"),
                                                        HasSubstr("broadcast of 4 bytes")))));

  EXPECT_THROW(run_nccl_ranks(2,
                              [](Communicator& communicator, OnDevice& device) {
                                gather(communicator, device, 4 + communicator.rank().value);
                              }),
               CommError);
  EXPECT_THAT(take_faults(), ElementsAre(is_fault(FaultKind::communication,
                                                  AllOf(HasSubstr("all-gather of 4 bytes"),
                                                        HasSubstr("all-gather of 5 bytes")))));

  EXPECT_THROW(run_nccl_ranks(2,
                              [](Communicator& communicator, OnDevice& device) {
                                broadcast(communicator, device, communicator.rank());
                              }),
               CommError);
  EXPECT_THAT(take_faults(),
              ElementsAre(is_fault(FaultKind::communication,
                                   AllOf(HasSubstr("broadcast of 4 bytes from rank 0"),
                                         HasSubstr("broadcast of 4 bytes from rank 1")))));
}

/// A communicator of one rank, made by NCCL's own calls.
class LoneComm {
 public:
  LoneComm() {
    ncclUniqueId id{};
    ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
    config.blocking = 0;
    EXPECT_EQ(ncclGetUniqueId(&id), ncclSuccess);
    EXPECT_EQ(ncclCommInitRankConfig(&comm_, 1, id, 0, &config), ncclInProgress);
    EXPECT_TRUE(is_done());
  }
  ~LoneComm() {
    EXPECT_EQ(ncclCommFinalize(comm_), ncclInProgress);
    EXPECT_TRUE(is_done());
    EXPECT_EQ(ncclCommDestroy(comm_), ncclSuccess);
  }
  LoneComm(const LoneComm&) = delete;
  LoneComm& operator=(const LoneComm&) = delete;

  [[nodiscard]] ncclComm_t raw() const { return comm_; }
  [[nodiscard]] bool is_done() const {
    ncclResult_t state = ncclInternalError;
    EXPECT_EQ(ncclCommGetAsyncError(comm_, &state), ncclSuccess);
    EXPECT_TRUE(state == ncclSuccess || state == ncclInProgress) << state;
    return state == ncclSuccess;
  }

  void broadcast(View<std::byte> data, softmoe::Stream& stream) {
    EXPECT_EQ(ncclBroadcast(data.data(), data.data(), static_cast<std::size_t>(data.size()),
                            ncclUint8, 0, comm_, static_cast<cudaStream_t>(stream.handle())),
              ncclInProgress);
    while (!is_done()) {
    }
  }

 private:
  ncclComm_t comm_ = nullptr;
};

TEST_F(NcclFaults, OperationsOfTwoCommunicatorsThatNothingOrdersAreNoticed) {
  OnDevice device(Backend::cuda);
  const View<std::byte> data = device.upload(Bytes8(4));
  device.stream.synchronize();
  {
    LoneComm one;
    LoneComm other;
    one.broadcast(data.part(0, 2), device.stream);
    other.broadcast(data.part(2, 4), device.exchange);
    device.exchange.synchronize();
    device.stream.synchronize();
  }
  EXPECT_THAT(take_faults(),
              ElementsAre(is_fault(FaultKind::communication, HasSubstr("nothing orders the two"))));

  LoneComm one;
  LoneComm other;
  Event first_is_done;
  one.broadcast(data.part(0, 2), device.stream);
  device.stream.record(first_is_done);
  device.exchange.wait_for(first_is_done);
  other.broadcast(data.part(2, 4), device.exchange);
  device.exchange.synchronize();

  EXPECT_THAT(take_faults(), testing::IsEmpty());
}

TEST_F(NcclFaults, ACallOnACommunicatorThatIsStillAtTheLastOneIsNoticed) {
  OnDevice device(Backend::cuda);
  const View<std::byte> data = device.upload(Bytes8(4));
  LoneComm comm;
  comm.broadcast(data, device.stream);
  device.stream.synchronize();

  ncclComm_t raw = comm.raw();
  const auto stream = static_cast<cudaStream_t>(device.stream.handle());
  EXPECT_EQ(ncclBroadcast(data.data(), data.data(), 4, ncclUint8, 0, raw, stream), ncclInProgress);
  EXPECT_EQ(ncclBroadcast(data.data(), data.data(), 4, ncclUint8, 0, raw, stream),
            ncclInvalidUsage);
  while (!comm.is_done()) {
  }
  device.stream.synchronize();

  EXPECT_THAT(take_faults(), ElementsAre(is_fault(FaultKind::call, HasSubstr("is still at what"))));
}

TEST_F(NcclFaults, MemoryOfTheHostIsNoticed) {
  run_nccl_ranks(2, [](Communicator& communicator, OnDevice& device) {
    Bytes8 on_host(4);
    communicator.broadcast({on_host.data(), 4}, Rank(0), device.stream);
    device.stream.synchronize();
  });

  EXPECT_THAT(take_faults(),
              Contains(is_fault(FaultKind::copy, HasSubstr("not memory of its device"))));
}

TEST_F(NcclFaults, TwoRanksOnOneDeviceAreRefused) {
  test::run_ranks(2, [](Communicator& host_world, OnDevice&) {
    const auto device = make_cuda_device(LocalRank(0));
    const auto ids = parallel::exchange_id_over(host_world);
    try {
      const auto world = parallel::make_nccl_world(
          {.rank = host_world.rank(), .size = 2, .device = *device, .ids = *ids}, {});
      ADD_FAILURE() << "there is a world";
    } catch (const CommError& error) {
      EXPECT_THAT(error.what(),
                  AnyOf(HasSubstr("Duplicate GPU detected"), HasSubstr("has aborted")));
    }
  });
}

}  // namespace
}  // namespace softmoe::gpu_emulation
