#include "runtime/ops/cpu/blas.h"

#include <cblas.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <mutex>
#include <string_view>

#include "runtime/base/narrow.h"
#include "runtime/ops/cpu/onednn.h"

// Names of OpenBLAS that its header leaves out; absent from a build for one processor only.
extern "C" {
[[gnu::weak]] void gotoblas_dynamic_init();
[[gnu::weak]] void gotoblas_dynamic_quit();
}

// Two threads inside a serial OpenBLAS may be given the same packing buffer, and then products are
// wrong: 0.3.21 looks for a free buffer without its lock. The linker (--wrap, next to where the
// library is found) sends its allocations through here, one thread at a time.
extern "C" {
void* __real_blas_memory_alloc(int position);
void __real_blas_memory_free(void* buffer);
void* __wrap_blas_memory_alloc(int position);
void __wrap_blas_memory_free(void* buffer);
}

namespace {

constinit std::mutex buffers_mutex;

}  // namespace

void* __wrap_blas_memory_alloc(int position) {
  const std::lock_guard lock(buffers_mutex);
  return __real_blas_memory_alloc(position);
}

void __wrap_blas_memory_free(void* buffer) {
  const std::lock_guard lock(buffers_mutex);
  __real_blas_memory_free(buffer);
}

namespace softmoe::ops::cpu {

namespace {

/// OpenBLAS falls back to its oldest kernels on a processor that is newer than itself, six times
/// slower than need be. This program runs only where the vectors it was compiled for exist, so it
/// names a processor that has them. OPENBLAS_CORETYPE in the environment has the last word.
void choose_kernels() {
  constexpr std::array<std::string_view, 4> kOldest = {"Prescott", "Core2", "Nehalem", "Generic"};
  constexpr const char* kVariable = "OPENBLAS_CORETYPE";
  const char* const wanted = __BIGGEST_ALIGNMENT__ == 64   ? "SkylakeX"
                             : __BIGGEST_ALIGNMENT__ == 32 ? "Haswell"
                                                           : nullptr;
  const bool can_choose = gotoblas_dynamic_init != nullptr && gotoblas_dynamic_quit != nullptr;
  if (wanted == nullptr || !can_choose || std::getenv(kVariable) != nullptr) return;
  gotoblas_dynamic_init();  // its own choice, unless it was made already
  if (std::find(kOldest.begin(), kOldest.end(), blas_kernels()) == kOldest.end()) return;
  setenv(kVariable, wanted, 1);
  gotoblas_dynamic_quit();
  gotoblas_dynamic_init();
  unsetenv(kVariable);
}

bool set_up() {
  openblas_set_num_threads(1);
  choose_kernels();
  return true;
}

GemmLibrary choose_library() {
  const char* const wanted = std::getenv("SOFTMOE_GEMM");
  if (wanted != nullptr && std::string_view(wanted) == "openblas") return GemmLibrary::openblas;
  if (wanted != nullptr && std::string_view(wanted) == "onednn") return GemmLibrary::onednn;
  return __builtin_cpu_supports("avx512bw") ? GemmLibrary::onednn : GemmLibrary::openblas;
}

// Before main: no other thread may be reading the environment or multiplying.
[[maybe_unused]] const bool kIsSetUp = set_up();
const GemmLibrary kLibrary = choose_library();

CBLAS_TRANSPOSE blas_transpose(Transpose transpose) {
  return transpose == Transpose::yes ? CblasTrans : CblasNoTrans;
}

/// One row times a matrix needs no packing: c = alpha * op(B)^T a + beta * c.
void multiply_row(const BlasProduct& product, const BlasMatrix& a, const BlasMatrix& b, float* c) {
  const bool is_transposed = b.transpose == Transpose::yes;
  const std::int64_t a_step = a.transpose == Transpose::yes ? a.stride : 1;
  if (product.beta == 0.0F) std::fill_n(c, product.n, 0.0F);
  cblas_sgemv(CblasRowMajor, is_transposed ? CblasNoTrans : CblasTrans,
              narrow<blasint>(is_transposed ? product.n : product.k),
              narrow<blasint>(is_transposed ? product.k : product.n), product.alpha, b.data,
              narrow<blasint>(b.stride), a.data, narrow<blasint>(a_step),
              product.beta == 0.0F ? 1.0F : product.beta, c, 1);
}

/// Few rows times a transposed matrix: oneDNN compiles a kernel when they first turn up, which may
/// be in any step. They are OpenBLAS's.
bool is_onednns(const BlasProduct& product, const BlasMatrix& a, const BlasMatrix& b) {
  constexpr std::int64_t kFewRows = 16;
  const bool would_compile =
      product.m <= kFewRows && a.transpose == Transpose::no && b.transpose == Transpose::yes;
  return !would_compile;
}

/// The product without its A and B: C = beta * C.
void scale(const BlasProduct& product, float* c, std::int64_t c_stride) {
  for (std::int64_t row = 0; row < product.m; ++row) {
    float* const to = c + row * c_stride;
    for (std::int64_t i = 0; i < product.n; ++i) {
      to[i] = product.beta == 0.0F ? 0.0F : product.beta * to[i];
    }
  }
}

}  // namespace

void sgemm(const BlasProduct& product, const BlasMatrix& a, const BlasMatrix& b, float* c,
           std::int64_t c_stride) {
  const auto& [m, n, k, alpha, beta] = product;
  if (m == 0 || n == 0) return;
  if (k == 0) {
    scale(product, c, c_stride);
  } else if (m == 1) {
    multiply_row(product, a, b, c);
  } else if (kLibrary == GemmLibrary::onednn && is_onednns(product, a, b)) {
    onednn_sgemm(product, a, b, c, c_stride);
  } else {
    cblas_sgemm(CblasRowMajor, blas_transpose(a.transpose), blas_transpose(b.transpose),
                narrow<blasint>(m), narrow<blasint>(n), narrow<blasint>(k), alpha, a.data,
                narrow<blasint>(a.stride), b.data, narrow<blasint>(b.stride), beta, c,
                narrow<blasint>(c_stride));
  }
}

GemmLibrary gemm_library() {
  return kLibrary;
}

const char* blas_kernels() {
  return openblas_get_corename();
}

}  // namespace softmoe::ops::cpu
