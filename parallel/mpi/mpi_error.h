#pragma once

#include <string_view>

namespace softmoe::parallel {

/// @throws CommError naming the call and MPI's own words if `code` is not success.
void check_mpi(int code, std::string_view call);

}  // namespace softmoe::parallel
