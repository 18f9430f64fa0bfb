// Single functions of a training step on one core, by Google Benchmark: every operation of a MoE
// layer with 8 to 512 experts, attention, cross-entropy, AdamW. Beside the time: bytes that pass
// between memory and processor at least once, and arithmetic, both per second.
//
//   build/release/bench/cpu_functions [--benchmark_filter=lapsum] [--benchmark_out=FILE.json]

#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <map>
#include <memory>

#include "bench/kernel_costs.h"
#include "bench/kernel_layer.h"
#include "bench/rank_workspace.h"
#include "runtime/device/device.h"
#include "runtime/ops/adamw.h"
#include "runtime/ops/attention.h"
#include "runtime/ops/cross_entropy.h"
#include "runtime/ops/elementwise.h"

namespace softmoe::bench {

namespace {

/// A device of one thread and what a step works with.
struct Machine {
  RankWorkspace rank{{.backend = Backend::cpu, .num_threads = 1}};
  Workspace& work = rank.work();
  Stream& compute = work.compute;

  [[nodiscard]] TensorView zeros(DType dtype, Shape shape) {
    const TensorView tensor = work.saved.push(dtype, shape);
    ops::fill_zero(tensor, compute);
    return tensor;
  }
};

void tell_rates(benchmark::State& state, double bytes, double flops) {
  const auto runs = static_cast<double>(state.iterations());
  using benchmark::Counter;
  state.counters["B/s"] = Counter(bytes * runs, Counter::kIsRate, Counter::kIs1000);
  state.counters["FLOP/s"] = Counter(flops * runs, Counter::kIsRate, Counter::kIs1000);
}

/// The layers that were asked for, made when they first are.
class Layers {
 public:
  void run(benchmark::State& state, const LayerSize& size, std::size_t call) {
    std::unique_ptr<Made>& made = made_[size.experts];
    if (made == nullptr) made = std::make_unique<Made>(size);
    const KernelCost cost = kernel_costs(made->size)[call];
    const auto run_once = [&] {
      made->layer.calls()[call].enqueue();
      made->machine.compute.synchronize();
    };
    run_once();  // a library may compile a kernel, and memory is touched
    for ([[maybe_unused]] auto run : state) run_once();
    tell_rates(state, cost.bytes, cost.flops);
  }

 private:
  struct Made {
    explicit Made(const LayerSize& wanted) : size(wanted), layer(wanted, machine.work) {
      size.rows = layer.rows();
    }
    LayerSize size;
    Machine machine;
    KernelLayer layer;
  };

  std::map<std::int64_t, std::unique_ptr<Made>> made_;
};

/// Queries, keys and values of one projection, as a block has them.
class AttentionCase {
 public:
  explicit AttentionCase(const ops::AttentionShape& shape) : forward_{.shape = shape} {
    const std::int64_t tokens = shape.sequences * shape.queries;
    const std::int64_t columns = std::int64_t{shape.heads + 2 * shape.kv_heads} * shape.head_size;
    forward_.q = forward_.k = forward_.v = machine_.zeros(DType::f32, {tokens, columns});
    forward_.k_column = std::int64_t{shape.heads} * shape.head_size;
    forward_.v_column = std::int64_t{shape.heads + shape.kv_heads} * shape.head_size;
    forward_.key_stride = shape.keys;
    forward_.o = machine_.zeros(DType::f32, {tokens, shape.heads * shape.head_size});
    forward_.log_sum = machine_.zeros(DType::f32, {tokens, shape.heads});
    d_qkv_ = machine_.zeros(DType::f32, {tokens, columns});
  }

  void run() {
    ops::attention(forward_, machine_.work.scratch, machine_.compute);
    machine_.compute.synchronize();
  }
  void run_backward() {
    ops::attention_backward(
        {.forward = forward_, .d_o = forward_.o, .d_q = d_qkv_, .d_k = d_qkv_, .d_v = d_qkv_},
        machine_.work.scratch, machine_.compute);
    machine_.compute.synchronize();
  }

  /// The causal half of so many products of queries and keys.
  [[nodiscard]] double flops(double products) const {
    const ops::AttentionShape& shape = forward_.shape;
    return products * static_cast<double>(shape.sequences * shape.queries * shape.keys) *
           shape.heads * shape.head_size;
  }

 private:
  Machine machine_;
  ops::AttentionArguments forward_;
  TensorView d_qkv_;
};

void attention(benchmark::State& state, const ops::AttentionShape& shape) {
  AttentionCase layer(shape);
  for ([[maybe_unused]] auto run : state) layer.run();
  tell_rates(state, 0, layer.flops(2));
}

void attention_backward(benchmark::State& state, const ops::AttentionShape& shape) {
  AttentionCase layer(shape);
  layer.run();
  for ([[maybe_unused]] auto run : state) layer.run_backward();
  // The scores again, and four products more.
  tell_rates(state, 0, layer.flops(5));
}

void cross_entropy(benchmark::State& state, std::int64_t tokens, std::int64_t vocabulary) {
  Machine machine;
  const TensorView logits = machine.zeros(DType::f32, {tokens, vocabulary});
  const TensorView targets = machine.zeros(DType::i32, {tokens});
  const TensorView loss = machine.zeros(DType::f32, {tokens});
  for ([[maybe_unused]] auto run : state) {
    ops::cross_entropy(logits, targets.as<std::int32_t>(), loss, machine.compute);
    machine.compute.synchronize();
  }
  // Read once and written once.
  tell_rates(state, 8.0 * static_cast<double>(tokens * vocabulary), 0);
}

void adamw(benchmark::State& state, std::int64_t elements) {
  Machine machine;
  const auto numbers = [&] { return machine.zeros(DType::f32, {elements}); };
  const ops::AdamwArguments arguments{.parameter = numbers(),
                                      .gradient = numbers(),
                                      .first_moment = numbers(),
                                      .second_moment = numbers(),
                                      .learning_rate = 1e-3,
                                      .weight_decay = 0.1};
  for ([[maybe_unused]] auto run : state) {
    ops::adamw(arguments, machine.compute);
    machine.compute.synchronize();
  }
  // Four numbers read, three written.
  tell_rates(state, 28.0 * static_cast<double>(elements), 0);
}

void add_layers(const std::shared_ptr<Layers>& layers) {
  for (const std::int64_t experts : {8, 64, 256, 512}) {
    // Experts of the same size together, so that products of one size are compared cut up.
    const LayerSize size{.tokens = 1024,
                         .hidden = 256,
                         .inner = 8192 / experts,
                         .experts = experts,
                         .rows = 2048,
                         .element = 4};
    const std::vector<KernelCost> costs = kernel_costs(size);
    for (std::size_t call = 0; call < costs.size(); ++call) {
      benchmark::RegisterBenchmark(
          fmt::format("{}/E:{}", costs[call].kernel, experts).c_str(),
          [layers, size, call](benchmark::State& state) { layers->run(state, size, call); })
          ->Unit(benchmark::kMicrosecond);
    }
  }
}

void add_others() {
  for (const int positions : {128, 512}) {
    const ops::AttentionShape shape{.sequences = 1024 / positions,
                                    .queries = positions,
                                    .keys = positions,
                                    .heads = 4,
                                    .kv_heads = 2,
                                    .head_size = 64};
    benchmark::RegisterBenchmark(fmt::format("attention/S:{}", positions).c_str(),
                                 [shape](benchmark::State& state) { attention(state, shape); })
        ->Unit(benchmark::kMicrosecond);
    benchmark::RegisterBenchmark(
        fmt::format("attention_backward/S:{}", positions).c_str(),
        [shape](benchmark::State& state) { attention_backward(state, shape); })
        ->Unit(benchmark::kMicrosecond);
  }
  benchmark::RegisterBenchmark("cross_entropy/T:256/V:4096", [](benchmark::State& state) {
    cross_entropy(state, 256, 4096);
  })->Unit(benchmark::kMicrosecond);
  benchmark::RegisterBenchmark("adamw/n:4194304", [](benchmark::State& state) {
    adamw(state, 1 << 22);
  })->Unit(benchmark::kMicrosecond);
}

}  // namespace

}  // namespace softmoe::bench

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 64;
  softmoe::bench::add_layers(std::make_shared<softmoe::bench::Layers>());
  softmoe::bench::add_others();
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}
