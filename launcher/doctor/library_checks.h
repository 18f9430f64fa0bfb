#pragma once

// Libraries that were linked, and kernels that were chosen.

#include <string>

#include "coordinator/grpc_library.h"
#include "launcher/doctor/finding.h"

namespace softmoe::launcher {

[[nodiscard]] Finding check_network_libraries(const coordinator::LibraryVersions& versions);

struct BlasFacts {
  std::string kernels;      ///< what OpenBLAS calls them: "Haswell", "SkylakeX"
  std::string onednn;       ///< its version where it multiplies in OpenBLAS's stead, else empty
  bool has_avx2 = false;    ///< of this processor
  bool has_avx512 = false;  ///< likewise
};
[[nodiscard]] Finding check_blas(const BlasFacts& facts);

}  // namespace softmoe::launcher
