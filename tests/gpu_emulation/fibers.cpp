#include "tests/gpu_emulation/fibers.h"

#include <sys/mman.h>

#include <new>

namespace softmoe::gpu_emulation {
namespace {

using boost::context::detail::fcontext_t;
using boost::context::detail::jump_fcontext;
using boost::context::detail::make_fcontext;
using boost::context::detail::transfer_t;

constexpr std::size_t kPage = 4096;

// Where the place that was left last has to be kept: only the stack that is entered learns it.
fcontext_t* left = nullptr;

void jump(fcontext_t& from, fcontext_t to, void* data) {
  left = &from;
  const transfer_t back = jump_fcontext(to, data);
  *left = back.fctx;
}

}  // namespace

Fiber::Fiber(std::byte* stack, std::size_t size, Body body, void* argument)
    : stack_(stack),
      size_(size),
      body_(body),
      argument_(argument),
      where_(make_fcontext(stack + size, size, &Fiber::enter)),
      context_(sanitizer::create_context()) {}

Fiber::~Fiber() {
  sanitizer::destroy_context(context_);
}

void Fiber::release(sanitizer::OrderPoint& point) const {
  const sanitizer::Entered as(context_);
  sanitizer::release(point);
}

void Fiber::reset() {
  sanitizer::allow(stack_, size_);
  sanitizer::forget(stack_, size_);
  sanitizer::destroy_context(context_);
  context_ = sanitizer::create_context();
  where_ = make_fcontext(stack_ + size_, size_, &Fiber::enter);
  fake_stack_ = nullptr;
}

void Fiber::enter(transfer_t from) {
  *left = from.fctx;
  auto* self = static_cast<Fiber*>(from.data);
  sanitizer::finish_switch(nullptr);
  self->body_(self->argument_);
}

void FiberHost::run(Fiber& first) {
  context_ = sanitizer::current_context();
  stack_ = sanitizer::host_stack();
  sanitizer::start_switch(&fake_stack_, first.stack_, first.size_);
  sanitizer::enter(first.context_);
  jump(where_, first.where_, &first);
  sanitizer::finish_switch(fake_stack_);
}

void FiberHost::change(Fiber& from, Fiber& to) {
  sanitizer::start_switch(&from.fake_stack_, to.stack_, to.size_);
  sanitizer::enter(to.context_);
  jump(from.where_, to.where_, &to);
  sanitizer::finish_switch(from.fake_stack_);
}

void FiberHost::leave(Fiber& from) {
  sanitizer::start_switch(&from.fake_stack_, stack_.begin, stack_.size);
  sanitizer::enter(context_);
  jump(from.where_, where_, nullptr);
  sanitizer::finish_switch(from.fake_stack_);
}

Stacks::Stacks(std::size_t count, std::size_t size) : count_(count), size_(size) {
  void* memory = mmap(nullptr, count * (size + kPage), PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  memory_ = static_cast<std::byte*>(memory);
  for (std::size_t i = 0; i < count; ++i) mprotect(memory_ + i * (size + kPage), kPage, PROT_NONE);
}

Stacks::~Stacks() {
  munmap(memory_, count_ * (size_ + kPage));
}

std::byte* Stacks::at(std::size_t index) const {
  return memory_ + index * (size_ + kPage) + kPage;
}

bool Stacks::is_overflow(const void* address) const {
  const auto* byte = static_cast<const std::byte*>(address);
  if (byte < memory_ || byte >= memory_ + count_ * (size_ + kPage)) return false;
  return static_cast<std::size_t>(byte - memory_) % (size_ + kPage) < kPage;
}

}  // namespace softmoe::gpu_emulation
