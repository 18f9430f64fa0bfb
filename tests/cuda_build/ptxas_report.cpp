#include "tests/cuda_build/ptxas_report.h"

#include <cxxabi.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <regex>
#include <sstream>
#include <tuple>

namespace softmoe::test {

namespace {

/// Cuts what stands in (...) and the template parameters' own namespaces out of a demangled name.
std::string without_parameters(const std::string& name) {
  int depth = 0;
  std::size_t end = name.size();
  // The last "(" at depth 0 of <> opens the parameters.
  for (std::size_t i = 0; i < name.size(); ++i) {
    if (name[i] == '<') ++depth;
    if (name[i] == '>') --depth;
    if (name[i] == '(' && depth == 0) {
      end = i;
      break;
    }
  }
  return name.substr(0, end);
}

}  // namespace

std::string short_name(const std::string& mangled) {
  int status = 0;
  const std::unique_ptr<char, void (*)(void*)> demangled(
      abi::__cxa_demangle(mangled.c_str(), nullptr, nullptr, &status), std::free);
  if (status != 0) return mangled;
  static const std::regex namespaces(R"(\(anonymous namespace\)::|softmoe::|ops::|cuda::)");
  static const std::regex casts(R"(\((int|long|bool|unsigned int)\))");
  std::string name = std::regex_replace(std::string(demangled.get()), namespaces, "");
  name = std::regex_replace(name, casts, "");
  if (name.starts_with("void ")) name = name.substr(5);
  return without_parameters(name);
}

std::vector<KernelUse> parse_ptxas(std::string_view source, std::string_view text) {
  static const std::regex entry(R"(Compiling entry function '(\w+)' for '(\w+)')");
  static const std::regex memory(
      R"((\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads)");
  static const std::regex registers(R"(Used (\d+) registers)");
  static const std::regex shared(R"((\d+) bytes smem)");
  std::vector<KernelUse> uses;
  std::istringstream lines{std::string(text)};
  for (std::string line; std::getline(lines, line);) {
    std::smatch match;
    if (std::regex_search(line, match, entry)) {
      uses.push_back({.source = std::string(source),
                      .kernel = short_name(match[1].str()),
                      .architecture = match[2].str()});
    }
    if (uses.empty()) continue;
    KernelUse& use = uses.back();
    if (std::regex_search(line, match, memory)) {
      // A line for the kernel, and one for each function that it calls.
      use.stack_bytes += std::stoi(match[1].str());
      use.spill_bytes += std::stoi(match[2].str()) + std::stoi(match[3].str());
    }
    if (std::regex_search(line, match, registers)) use.registers = std::stoi(match[1].str());
    if (std::regex_search(line, match, shared)) use.static_shared_bytes = std::stoi(match[1].str());
  }
  return uses;
}

std::vector<KernelUse> read_reports(const std::string& build_folder) {
  namespace fs = std::filesystem;
  constexpr std::string_view kEnding = ".cu.o.ptxas";
  std::vector<KernelUse> all;
  for (const auto& file : fs::recursive_directory_iterator(build_folder)) {
    const std::string name = file.path().filename().string();
    if (!name.ends_with(kEnding)) continue;
    std::ifstream stream(file.path());
    const std::string text{std::istreambuf_iterator<char>(stream), {}};
    const auto uses = parse_ptxas(name.substr(0, name.size() - kEnding.size()) + ".cu", text);
    all.insert(all.end(), uses.begin(), uses.end());
  }
  std::sort(all.begin(), all.end(), [](const KernelUse& a, const KernelUse& b) {
    return std::tie(a.source, a.kernel, a.architecture) <
           std::tie(b.source, b.kernel, b.architecture);
  });
  return all;
}

std::vector<std::string> as_table(const std::vector<KernelUse>& uses,
                                  std::string_view architecture) {
  std::vector<std::string> lines = {
      "| source | kernel | registers | static shared bytes | stack bytes | spilled bytes |",
      "|---|---|---|---|---|---|"};
  for (const KernelUse& use : uses) {
    if (use.architecture != architecture) continue;
    lines.push_back(fmt::format("| {} | `{}` | {} | {} | {} | {} |", use.source, use.kernel,
                                use.registers, use.static_shared_bytes, use.stack_bytes,
                                use.spill_bytes));
  }
  return lines;
}

}  // namespace softmoe::test
