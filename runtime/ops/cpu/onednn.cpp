#include "runtime/ops/cpu/onednn.h"

#include <fmt/format.h>
#include <omp.h>
#include <oneapi/dnnl/dnnl.h>
#include <signal.h>

#include "runtime/base/errors.h"

namespace softmoe::ops::cpu {

namespace {

char letter(Transpose transpose) {
  return transpose == Transpose::yes ? 'T' : 'N';
}

/// oneDNN asks OpenMP for threads, and OpenMP keeps that number for each thread that asks.
void force_one_thread() {
  thread_local const bool is_forced = [] {
    omp_set_num_threads(1);
    return true;
  }();
  static_cast<void>(is_forced);
}

/// Holds signals back from the calling thread. oneDNN 2.6.3 keeps numbers below the stack pointer,
/// where a signal handler's frame overwrites them: products, or the heap, came out wrong.
class SignalsHeldBack {
 public:
  SignalsHeldBack() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~SignalsHeldBack() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  SignalsHeldBack(const SignalsHeldBack&) = delete;
  SignalsHeldBack& operator=(const SignalsHeldBack&) = delete;

 private:
  sigset_t before_;
};

}  // namespace

void onednn_sgemm(const BlasProduct& product, const BlasMatrix& a, const BlasMatrix& b, float* c,
                  std::int64_t c_stride) {
  force_one_thread();
  const SignalsHeldBack held;
  const dnnl_status_t status =
      dnnl_sgemm(letter(a.transpose), letter(b.transpose), product.m, product.n, product.k,
                 product.alpha, a.data, a.stride, b.data, b.stride, product.beta, c, c_stride);
  if (status != dnnl_success) {
    throw InternalError(fmt::format("oneDNN refused a product of {} x {} x {}: status {}",
                                    product.m, product.n, product.k, static_cast<int>(status)));
  }
}

std::string onednn_version() {
  const dnnl_version_t& version = *dnnl_version();
  return fmt::format("{}.{}.{}", version.major, version.minor, version.patch);
}

}  // namespace softmoe::ops::cpu
