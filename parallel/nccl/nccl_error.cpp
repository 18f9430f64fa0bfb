#include "parallel/nccl/nccl_error.h"

#include <fmt/format.h>

#include "runtime/base/errors.h"

namespace softmoe::parallel {

std::string nccl_text(ncclResult_t code, std::string_view call, ncclComm_t comm) {
  std::string text = fmt::format("{}: NCCL says: {}", call, ncclGetErrorString(code));
  const char* last = ncclGetLastError(comm);
  if (last != nullptr && *last != '\0') text += fmt::format(" ({})", last);
  return text;
}

void check_nccl(ncclResult_t code, std::string_view call) {
  if (code != ncclSuccess) throw CommError(nccl_text(code, call, nullptr));
}

}  // namespace softmoe::parallel
