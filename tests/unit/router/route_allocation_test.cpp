// A step allocates nothing: this program counts what operator new hands out.

#include <gmock/gmock.h>

#include <atomic>
#include <cstdlib>
#include <new>

#include "tests/unit/router/routing_case.h"

namespace {

std::atomic<std::int64_t> num_allocations{0};

void* counted(std::size_t size) {
  num_allocations.fetch_add(1, std::memory_order_relaxed);
  void* memory = std::malloc(size == 0 ? 1 : size);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

}  // namespace

void* operator new(std::size_t size) {
  return counted(size);
}
void* operator new[](std::size_t size) {
  return counted(size);
}
void operator delete(void* memory) noexcept {
  std::free(memory);
}
void operator delete[](void* memory) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::size_t /*size*/) noexcept {
  std::free(memory);
}
void operator delete[](void* memory, std::size_t /*size*/) noexcept {
  std::free(memory);
}

namespace softmoe::router {
namespace {

using test::OnDevice;
using test::RoutingCase;

struct Rule {
  RouterKind kind;
  std::optional<std::int64_t> quota = std::nullopt;
};

class RouteAllocation : public ::testing::TestWithParam<Rule> {};

TEST_P(RouteAllocation, IsNoneInAStep) {
  for (const Backend backend : {Backend::cpu, Backend::reference}) {
    OnDevice device(backend, /*num_threads=*/2);
    if (device.device.schedule() != nullptr) GTEST_SKIP() << "deferred mode holds work on the heap";
    RoutingCase routing = test::normal_case(200, 40);
    routing.config.kind = GetParam().kind;
    routing.quota = GetParam().quota;
    routing.balance.assign(40, 0.01F);
    routing.token_ids.assign(200, 7);
    const auto arguments = test::arguments_of<float>(device, routing);
    const RouteStatistics statistics = test::zero_statistics(device, routing.experts);
    const TensorView d_logits = device.saved.push(DType::f32, arguments.logits_TE.shape());
    const TensorView d_gain = device.upload(std::vector<float>{0}, {1});
    const TensorView d_k = device.upload(std::vector<double>{0}, {1});
    const TensorView d_gate = device.saved.push(DType::f32, {200 * 40});

    const std::int64_t before = num_allocations;
    const RoutePlan plan = route(routing.config, arguments, statistics, device.work);
    route_backward(routing.config,
                   {.plan = plan,
                    .forward = arguments,
                    .d_gate_N = d_gate,
                    .d_logits_TE = d_logits,
                    .d_gain = d_gain,
                    .d_k = d_k},
                   device.work);
    const std::int64_t after = num_allocations;

    EXPECT_EQ(after - before, 0);
  }
}

INSTANTIATE_TEST_SUITE_P(Kinds, RouteAllocation,
                         ::testing::Values(Rule{RouterKind::softmoe}, Rule{RouterKind::top_k},
                                           Rule{RouterKind::hash}, Rule{RouterKind::softmoe, 500}));

}  // namespace
}  // namespace softmoe::router
