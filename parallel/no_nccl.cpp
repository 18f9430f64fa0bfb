// Chosen by CMake where the build has no CUDA.

#include "parallel/nccl_world.h"

namespace softmoe::parallel {

std::string nccl_version() {
  return "no NCCL";
}

std::unique_ptr<Communicator> make_nccl_world(const NcclPlace& /*place*/,
                                              const NcclOptions& /*options*/) {
  throw CommError("no NCCL: this program was built without CUDA (CMake preset cuda)");
}

}  // namespace softmoe::parallel
