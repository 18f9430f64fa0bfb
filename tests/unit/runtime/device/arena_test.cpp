#include "runtime/device/arena.h"

#include <gmock/gmock.h>

namespace softmoe {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::ThrowsMessage;

TEST(Arena, AlignsEverythingToACacheLine) {
  CpuDevice device({});
  Arena arena(device, Bytes(4096));

  for (int i = 0; i < 5; ++i) {
    const View<std::uint16_t> view = arena.push<std::uint16_t>(3 + i);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(view.data()) % 64, 0U);
  }
}

TEST(Arena, KeepsViewsApart) {
  CpuDevice device({});
  Arena arena(device, Bytes(4096));

  const View<float> first = arena.push<float>(17);
  const View<float> second = arena.push<float>(17);

  EXPECT_GE(second.data(), first.data() + first.size());
}

TEST(Arena, GivesTheSameMemoryAgainAfterAScope) {
  CpuDevice device({});
  Arena arena(device, Bytes(4096));
  const View<float> kept = arena.push<float>(8);
  const float* popped = nullptr;
  {
    const ArenaScope scope(arena);
    popped = arena.push<float>(100).data();
  }

  EXPECT_EQ(arena.push<float>(1).data(), popped);
  EXPECT_NE(popped, kept.data());
}

TEST(Arena, PopsLastInFirstOut) {
  CpuDevice device({});
  Arena arena(device, Bytes(4096));
  const Arena::Mark bottom = arena.mark();
  (void)arena.push<float>(16);
  const Arena::Mark middle = arena.mark();
  (void)arena.push<float>(32);

  arena.release(middle);
  EXPECT_EQ(arena.used(), Bytes(64));
  arena.release(bottom);
  EXPECT_EQ(arena.used(), Bytes(0));
  arena.release(middle);  // above the top: pops nothing, and gives nothing back
  EXPECT_EQ(arena.used(), Bytes(0));
}

TEST(Arena, RemembersItsPeak) {
  CpuDevice device({});
  Arena arena(device, Bytes(4096));
  {
    const ArenaScope scope(arena);
    (void)arena.push<double>(128);
  }
  (void)arena.push<double>(8);

  EXPECT_EQ(arena.peak(), Bytes(1024));
}

TEST(Arena, GivesItsLastByteAndThenNamesSizesAndTheCure) {
  CpuDevice device({});
  Arena arena(device, Bytes(256));

  (void)arena.push<float>(64);

  EXPECT_THAT(
      [&] { (void)arena.push<float>(1); },
      ThrowsMessage<DeviceError>(AllOf(HasSubstr("256 bytes has 256 in use"), HasSubstr("64 more"),
                                       HasSubstr("runtime.arena_bytes"))));
}

TEST(Arena, RefusesANegativeSize) {
  CpuDevice device({});
  Arena arena(device, Bytes(256));

  EXPECT_THROW((void)arena.push<float>(-1), InvalidArgument);
}

TEST(Arena, IsPoisonedOnRequest) {
  CpuDevice device({.poison = std::byte{0xff}});
  Arena arena(device, Bytes(4096));

  const View<float> fresh = arena.push<float>(4);

  for (const float value : fresh.span()) EXPECT_NE(value, value);
}

}  // namespace
}  // namespace softmoe
