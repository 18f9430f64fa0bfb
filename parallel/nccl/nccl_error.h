#pragma once

#include <nccl.h>

#include <string>
#include <string_view>

namespace softmoe::parallel {

/// Whether a call was taken: done, or under way in a communicator that does not block.
[[nodiscard]] inline bool is_taken(ncclResult_t code) {
  return code == ncclSuccess || code == ncclInProgress;
}

/// The call and NCCL's own words. @param comm whose last error is told; may be null.
[[nodiscard]] std::string nccl_text(ncclResult_t code, std::string_view call, ncclComm_t comm);

/// @throws CommError unless `code` is success. For calls without a communicator.
void check_nccl(ncclResult_t code, std::string_view call);

}  // namespace softmoe::parallel
