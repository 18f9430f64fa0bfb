#include <fmt/format.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <mutex>
#include <string>

#include "tests/gpu_emulation/block.h"
#include "tests/gpu_emulation/device_memory.h"

namespace softmoe::gpu_emulation {
namespace {

constexpr std::size_t kSignalStackSize = 64 * 1024;

struct sigaction before {};

void say(const std::string& text) {
  const std::string line = "gpu emulation: " + text + "\n";
  [[maybe_unused]] const auto written = write(STDERR_FILENO, line.data(), line.size());
}

// The process is about to end, so what a handler must not do in general (allocate, format) is worth
// its risk for the name of the kernel.
void on_bad_access(int signal, siginfo_t* info, void* context) {
  const void* address = info->si_addr;
  if (is_stack_overflow(address)) {
    say(running_thread() + " needs more stack than a CUDA thread has here");
    std::abort();
  }
  if (device_of(address)) {
    if (runs_device_code()) {
      say(fmt::format("{} touched what is not its own: {}", running_thread(),
                      describe_address(address)));
    } else {
      say(fmt::format("host code touched device memory ({}) outside a kernel or copy; use HostCopy",
                      describe_address(address)));
    }
    std::abort();
  }
  if (runs_device_code()) {
    say(fmt::format("{} touched host memory or nothing at {}", running_thread(), address));
  }
  // Not ours: to whoever was there before, or the system's own end.
  if ((before.sa_flags & SA_SIGINFO) != 0 && before.sa_sigaction != nullptr) {
    before.sa_sigaction(signal, info, context);
    return;
  }
  std::signal(signal, SIG_DFL);
}

/// A thread's stack for signals, since that of a CUDA thread may be full.
class SignalStack {
 public:
  SignalStack() : memory_(new char[kSignalStackSize]) {
    stack_t stack{};
    stack.ss_sp = memory_.get();
    stack.ss_size = kSignalStackSize;
    sigaltstack(&stack, nullptr);
  }
  ~SignalStack() {
    stack_t none{};
    none.ss_flags = SS_DISABLE;
    sigaltstack(&none, nullptr);
  }
  SignalStack(const SignalStack&) = delete;
  SignalStack& operator=(const SignalStack&) = delete;

 private:
  std::unique_ptr<char[]> memory_;
};

}  // namespace

void install_access_reports() {
  static std::once_flag once;
  std::call_once(once, [] {
    struct sigaction action {};
    action.sa_sigaction = on_bad_access;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
    sigaction(SIGSEGV, &action, &before);
  });
  thread_local const SignalStack stack;
}

}  // namespace softmoe::gpu_emulation
