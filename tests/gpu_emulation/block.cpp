#include "tests/gpu_emulation/block.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstdlib>
#include <numeric>
#include <optional>
#include <utility>

#include "tests/gpu_emulation/cuda_thread.h"
#include "tests/gpu_emulation/faults.h"
#include "tests/gpu_emulation/fibers.h"
#include "tests/gpu_emulation/include/cuda_runtime.h"
#include "tests/gpu_emulation/kernel_name.h"
#include "tests/gpu_emulation/sanitizer.h"
#include "tests/gpu_emulation/shared_bytes.h"
#include "tests/gpu_emulation/warp.h"

// Where the thread that runs is. Written at every switch.
uint3 threadIdx;
uint3 blockIdx;
dim3 blockDim;
dim3 gridDim;

namespace softmoe::gpu_emulation {
namespace {

constexpr std::size_t kStackSize = 128 * 1024;

/// The block that runs, and the threads of all blocks so far, which are used again.
class Block {
 public:
  Block() : stacks_(std::size_t{kMaxThreads} * sanitizer::num_fiber_sets(), kStackSize) {}

  /// False if a fault ended it.
  bool run(const KernelCall& kernel, const Grid& grid, GridOrder& order, unsigned block,
           Random& random);

  void meet_block();
  std::uint64_t meet_warp(const LaneCall& call);
  [[nodiscard]] std::string where() const;
  [[nodiscard]] bool is_running() const { return current_ != nullptr; }
  [[nodiscard]] bool is_overflow(const void* address) const { return stacks_.is_overflow(address); }

 private:
  static void thread_main(void* thread);
  [[nodiscard]] CudaThread& fiber_of(unsigned set, unsigned index);
  void begin(unsigned num_threads, Random& random);
  [[nodiscard]] bool check_shared(std::size_t size);
  void select(CudaThread& thread);
  [[nodiscard]] CudaThread* draw();
  void next(CudaThread& from);
  void complete(unsigned first, unsigned mask);
  [[nodiscard]] bool is_complete(unsigned first, unsigned mask) const;
  [[nodiscard]] sanitizer::OrderPoint& sync_order(unsigned first, unsigned mask);
  void report_here(const std::string& text);
  [[noreturn]] void abandon();
  void report_stuck();
  [[nodiscard]] std::string describe(const CudaThread& thread) const;

  Stacks stacks_;
  std::vector<std::vector<std::unique_ptr<CudaThread>>> sets_{sanitizer::num_fiber_sets()};
  FiberHost host_;
  const KernelCall* kernel_ = nullptr;
  Random* random_ = nullptr;
  unsigned num_threads_ = 0;
  std::vector<CudaThread*> threads_;
  std::vector<unsigned> runnable_;
  CudaThread* current_ = nullptr;
  unsigned num_at_barrier_ = 0;
  unsigned num_barriers_ = 0;
  unsigned num_ended_ = 0;
  bool abandoned_ = false;
  GridOrder* grid_order_ = nullptr;
  std::unique_ptr<BlockOrder> order_;
};

Block& the_block() {
  static Block* instance = new Block();  // never destroyed: the last kernel may run at exit
  return *instance;
}

bool Block::run(const KernelCall& kernel, const Grid& grid, GridOrder& order, unsigned block,
                Random& random) {
  kernel_ = &kernel;
  random_ = &random;
  grid_order_ = &order;
  order_ = std::make_unique<BlockOrder>(grid.num_threads);
  blockIdx = {block, 0, 0};
  prepare_shared_bytes(grid.shared_bytes);
  begin(grid.num_threads, random);
  CudaThread* first = draw();
  select(*first);
  host_.run(first->fiber);
  if (!abandoned_ && num_ended_ != num_threads_) report_stuck();
  current_ = nullptr;
  const bool shared_is_whole = check_shared(grid.shared_bytes);
  // Here and not with the next block: that may be on a stream that is not ordered behind this one.
  order_.reset();
  if (num_ended_ == num_threads_ && !abandoned_) return shared_is_whole;
  for (CudaThread* thread : threads_) {
    if (!thread->begun || thread->state == State::ended) continue;
    thread->fiber.release(order.end);
    thread->fiber.reset();
  }
  return false;
}

void Block::begin(unsigned num_threads, Random& random) {
  // Kept from grid to grid, whatever their streams.
  const sanitizer::IgnoreAccesses ignore;
  num_threads_ = num_threads;
  num_at_barrier_ = num_ended_ = num_barriers_ = 0;
  abandoned_ = false;
  const unsigned set = random.below(sanitizer::num_fiber_sets());
  threads_.clear();
  runnable_.clear();
  runnable_.reserve(num_threads);
  for (unsigned index = 0; index < num_threads; ++index) {
    CudaThread& thread = fiber_of(set, index);
    thread.state = State::runnable;
    thread.begun = false;
    thread.num_syncs = 0;
    threads_.push_back(&thread);
    runnable_.push_back(index);
  }
}

CudaThread& Block::fiber_of(unsigned set, unsigned index) {
  auto& fibers = sets_[set];
  while (fibers.size() <= index) {
    std::byte* stack = stacks_.at(std::size_t{set} * kMaxThreads + fibers.size());
    fibers.push_back(std::make_unique<CudaThread>(stack, stacks_.size(), &Block::thread_main));
    fibers.back()->index = static_cast<unsigned>(fibers.size() - 1);
  }
  return *fibers[index];
}

void Block::thread_main(void* argument) {
  auto& self = *static_cast<CudaThread*>(argument);
  Block& block = the_block();
  for (;;) {
    self.begun = true;
    sanitizer::acquire(block.grid_order_->begin);
    block.kernel_->call();
    sanitizer::release(block.grid_order_->end);
    self.state = State::ended;
    ++block.num_ended_;
    block.next(self);
  }
}

bool Block::check_shared(std::size_t size) {
  const std::optional<std::size_t> broken = find_broken_shared_bytes(size);
  if (!broken) return true;
  report(FaultKind::shared_memory,
         fmt::format("kernel {}, block {} wrote {} bytes behind the end of its {} bytes of shared "
                     "memory",
                     kernel_name(kernel_->address()), blockIdx.x, *broken, size));
  return false;
}

void Block::select(CudaThread& thread) {
  current_ = &thread;
  threadIdx.x = thread.index;
}

CudaThread* Block::draw() {
  if (runnable_.empty()) return nullptr;
  const std::uint32_t place = random_->below(static_cast<std::uint32_t>(runnable_.size()));
  const unsigned index = runnable_[place];
  runnable_[place] = runnable_.back();
  runnable_.pop_back();
  return threads_[index];
}

// Nobody runs on but who is drawn; the host is back when nobody can.
void Block::next(CudaThread& from) {
  CudaThread* to = draw();
  if (to == nullptr) {
    host_.leave(from.fiber);
    return;
  }
  select(*to);
  if (to != &from) FiberHost::change(from.fiber, to->fiber);
}

void Block::meet_block() {
  CudaThread& self = *current_;
  sanitizer::OrderPoint& order = order_->barriers[num_barriers_ % 2];
  sanitizer::release(order);
  self.state = State::at_barrier;
  if (++num_at_barrier_ == num_threads_) {
    num_at_barrier_ = 0;
    ++num_barriers_;
    for (CudaThread* thread : threads_) {
      thread->state = State::runnable;
      runnable_.push_back(thread->index);
    }
  }
  next(self);
  sanitizer::acquire(order);
}

std::uint64_t Block::meet_warp(const LaneCall& call) {
  CudaThread& self = *current_;
  const unsigned lane = self.index % kWarpSize;
  const unsigned first = self.index - lane;
  if ((call.mask >> lane & 1U) == 0) {
    report_here(fmt::format("{} with mask {:#010x}, which lacks the calling lane {}",
                            name_of(call.kind), call.mask, lane));
    abandon();
  }
  sanitizer::OrderPoint* order = nullptr;
  if (call.kind == Collective::sync) {
    order = &sync_order(first, call.mask);
    sanitizer::release(*order);
  }
  self.call = call;
  self.state = State::at_collective;
  if (is_complete(first, call.mask)) complete(first, call.mask);
  next(self);
  if (order != nullptr) sanitizer::acquire(*order);
  return self.result;
}

sanitizer::OrderPoint& Block::sync_order(unsigned first, unsigned mask) {
  const unsigned leader = first + static_cast<unsigned>(std::countr_zero(mask));
  const unsigned round = leader < num_threads_ ? threads_[leader]->num_syncs : 0;
  return order_->syncs[std::min(leader, num_threads_ - 1)][round % 2];
}

bool Block::is_complete(unsigned first, unsigned mask) const {
  const LaneCall& call = current_->call;
  for (unsigned rest = mask; rest != 0; rest &= rest - 1) {
    const unsigned index = first + static_cast<unsigned>(std::countr_zero(rest));
    if (index >= num_threads_) return false;
    const CudaThread& other = *threads_[index];
    if (other.state != State::at_collective || other.call.mask != mask ||
        other.call.kind != call.kind) {
      return false;
    }
  }
  return true;
}

void Block::complete(unsigned first, unsigned mask) {
  std::array<LaneCall, kWarpSize> calls{};
  for (unsigned rest = mask; rest != 0; rest &= rest - 1) {
    const auto lane = static_cast<unsigned>(std::countr_zero(rest));
    calls[lane] = threads_[first + lane]->call;
  }
  const Collective kind = current_->call.kind;
  if (kind == Collective::sync) {
    ++threads_[first + static_cast<unsigned>(std::countr_zero(mask))]->num_syncs;
  }
  for (unsigned rest = mask; rest != 0; rest &= rest - 1) {
    const auto lane = static_cast<unsigned>(std::countr_zero(rest));
    CudaThread& thread = *threads_[first + lane];
    if (kind >= Collective::ballot) {
      thread.result = vote(calls, static_cast<int>(lane));
    } else if (kind != Collective::sync) {
      const auto source =
          static_cast<unsigned>(shuffle_source(thread.call, static_cast<int>(lane)));
      if ((mask >> source & 1U) == 0) {
        report_here(fmt::format("{} with mask {:#010x}: lane {} reads lane {}, which is not in it",
                                name_of(kind), mask, lane, source));
        abandon();
      }
      thread.result = calls[source].value;
    }
    thread.state = State::runnable;
    runnable_.push_back(thread.index);
  }
}

void Block::report_here(const std::string& text) {
  report(FaultKind::warp_collective, where() + ": " + text);
}

// The stacks of the block's threads are left as they are: device code has nothing to clean up, and
// callers hold nothing.
void Block::abandon() {
  abandoned_ = true;
  host_.leave(current_->fiber);
  std::abort();
}

void Block::report_stuck() {
  const auto waits = std::find_if(threads_.begin(), threads_.end(), [](const CudaThread* thread) {
    return thread->state == State::at_collective;
  });
  if (waits == threads_.end()) {
    const auto missing = std::find_if(threads_.begin(), threads_.end(), [](const auto* thread) {
      return thread->state == State::ended;
    });
    report(FaultKind::barrier,
           fmt::format("kernel {}, block {}: {} threads wait at __syncthreads, not reached by "
                       "thread {}, which has ended",
                       kernel_name(kernel_->address()), blockIdx.x, num_at_barrier_,
                       (*missing)->index));
    return;
  }
  // One mask names all lanes that matter; what each of them does tells what went wrong.
  const unsigned mask = (*waits)->call.mask;
  const unsigned first = (*waits)->index - (*waits)->index % kWarpSize;
  std::string lanes;
  for (unsigned lane = 0; lane < kWarpSize; ++lane) {
    if ((mask >> lane & 1U) == 0) continue;
    const unsigned index = first + lane;
    if (index >= num_threads_) {
      lanes += fmt::format("; lane {} does not exist", lane);
    } else if (threads_[index]->state != State::at_collective ||
               threads_[index]->call.mask != mask ||
               threads_[index]->call.kind != (*waits)->call.kind) {
      lanes += fmt::format("; lane {} {}", lane, describe(*threads_[index]));
    }
  }
  report(FaultKind::warp_collective,
         fmt::format("kernel {}, block {}, thread {} {}{}", kernel_name(kernel_->address()),
                     blockIdx.x, (*waits)->index, describe(**waits), lanes));
}

std::string Block::describe(const CudaThread& thread) const {
  switch (thread.state) {
    case State::at_barrier:
      return "waits at __syncthreads";
    case State::at_collective:
      return fmt::format("waits at {} with mask {:#010x}", name_of(thread.call.kind),
                         thread.call.mask);
    case State::ended:
      return "has ended";
    default:
      return "may run";
  }
}

std::string Block::where() const {
  if (current_ == nullptr) return {};
  return fmt::format("kernel {}, block {}, thread {}", kernel_name(kernel_->address()), blockIdx.x,
                     current_->index);
}

}  // namespace

void meet_block() {
  the_block().meet_block();
}
std::uint64_t meet_warp(const LaneCall& call) {
  return the_block().meet_warp(call);
}

void run_grid(const KernelCall& kernel, const Grid& grid, Random& random) {
  Block& block = the_block();
  gridDim = dim3(grid.num_blocks);
  blockDim = dim3(grid.num_threads);
  std::vector<unsigned> order(grid.num_blocks);
  std::iota(order.begin(), order.end(), 0U);
  const auto points = std::make_unique<GridOrder>();
  sanitizer::release(points->begin);
  for (std::size_t i = 0; i < order.size(); ++i) {
    const std::size_t drawn = i + random.below(static_cast<std::uint32_t>(order.size() - i));
    std::swap(order[i], order[drawn]);
    if (!block.run(kernel, grid, *points, order[i], random)) break;
  }
  sanitizer::acquire(points->end);
}

std::string running_thread() {
  return the_block().where();
}
bool runs_device_code() {
  return the_block().is_running();
}
bool is_stack_overflow(const void* address) {
  return the_block().is_overflow(address);
}

}  // namespace softmoe::gpu_emulation
