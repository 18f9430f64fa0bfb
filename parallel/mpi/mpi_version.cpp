#include "parallel/mpi/mpi_version.h"

#include <mpi.h>

#include <array>

namespace softmoe::parallel {

std::string built_mpi_version() {
  return SOFTMOE_MPI_LIBRARY_VERSION;
}

std::string loaded_mpi_version() {
  std::array<char, MPI_MAX_LIBRARY_VERSION_STRING> text{};
  int length = 0;
  if (MPI_Get_library_version(text.data(), &length) != MPI_SUCCESS) return "";
  return {text.data(), static_cast<std::size_t>(length)};
}

}  // namespace softmoe::parallel
