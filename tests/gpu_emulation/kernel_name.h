#pragma once

#include <string>

namespace softmoe::gpu_emulation {

/// The name of the function at `address` as the program's symbol table has it, without its
/// parameters; its address where there is none.
[[nodiscard]] std::string kernel_name(const void* address);

}  // namespace softmoe::gpu_emulation
