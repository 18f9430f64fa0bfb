#pragma once

// What ptxas said while the CUDA sources were compiled: the words of `-Xptxas -v`, as numbers.

#include <string>
#include <string_view>
#include <vector>

namespace softmoe::test {

/// One kernel on one architecture.
struct KernelUse {
  std::string source;        ///< "lapsum.cu"
  std::string kernel;        ///< "solve_rows<4>"
  std::string architecture;  ///< "sm_90"
  int registers = 0;         ///< per thread
  int static_shared_bytes = 0;
  int stack_bytes = 0;  ///< of the kernel and of the functions it calls
  int spill_bytes = 0;  ///< of the same, stores and loads together

  friend bool operator==(const KernelUse&, const KernelUse&) = default;
};

/// Reads the report of one source; kernels in the order of the text.
[[nodiscard]] std::vector<KernelUse> parse_ptxas(std::string_view source, std::string_view text);

/// Name without namespaces, parameters and return type: "solve_rows<4>".
[[nodiscard]] std::string short_name(const std::string& mangled);

/// The reports (NAME.cu.o.ptxas) below a build folder, sorted by source and kernel.
[[nodiscard]] std::vector<KernelUse> read_reports(const std::string& build_folder);

/// The kernels of one architecture as the lines of a Markdown table, its head included.
[[nodiscard]] std::vector<std::string> as_table(const std::vector<KernelUse>& uses,
                                                std::string_view architecture);

}  // namespace softmoe::test
