#include "parallel/mpi/mpi_error.h"

#include <fmt/format.h>
#include <mpi.h>

#include <array>

#include "runtime/base/errors.h"

namespace softmoe::parallel {

void check_mpi(int code, std::string_view call) {
  if (code == MPI_SUCCESS) return;
  std::array<char, MPI_MAX_ERROR_STRING> text{};
  int length = 0;
  MPI_Error_string(code, text.data(), &length);
  throw CommError(fmt::format("{} failed: {}", call,
                              std::string_view(text.data(), static_cast<std::size_t>(length))));
}

}  // namespace softmoe::parallel
