#pragma once

#include <string>

namespace softmoe::parallel {

/// Which MPI library there was when softmoe was built, in its own words; empty where the build
/// could not run one.
[[nodiscard]] std::string built_mpi_version();
/// The one that this process has loaded. MPI need not be started.
[[nodiscard]] std::string loaded_mpi_version();

}  // namespace softmoe::parallel
