#include "tests/gpu_emulation/kernel_name.h"

#include <cxxabi.h>
#include <dlfcn.h>
#include <elf.h>
#include <fmt/format.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <memory>
#include <vector>

namespace softmoe::gpu_emulation {
namespace {

template <class T>
T read_at(std::ifstream& file, std::uint64_t offset) {
  T value{};
  file.seekg(static_cast<std::streamoff>(offset));
  file.read(reinterpret_cast<char*>(&value), sizeof value);
  return value;
}

/// Kernels sit in anonymous namespaces: dladdr() does not see them, the symbol table does.
std::string symbol_at(std::uint64_t offset) {
  std::ifstream file("/proc/self/exe", std::ios::binary);
  const auto header = read_at<Elf64_Ehdr>(file, 0);
  for (unsigned section = 0; section < header.e_shnum; ++section) {
    const auto symbols =
        read_at<Elf64_Shdr>(file, header.e_shoff + std::uint64_t{section} * header.e_shentsize);
    if (symbols.sh_type != SHT_SYMTAB) continue;
    const auto strings = read_at<Elf64_Shdr>(
        file, header.e_shoff + std::uint64_t{symbols.sh_link} * header.e_shentsize);
    std::vector<Elf64_Sym> table(symbols.sh_size / sizeof(Elf64_Sym));
    file.seekg(static_cast<std::streamoff>(symbols.sh_offset));
    file.read(reinterpret_cast<char*>(table.data()), static_cast<std::streamsize>(symbols.sh_size));
    for (const Elf64_Sym& symbol : table) {
      if (ELF64_ST_TYPE(symbol.st_info) != STT_FUNC || symbol.st_value != offset) continue;
      std::string name;
      file.seekg(static_cast<std::streamoff>(strings.sh_offset + symbol.st_name));
      std::getline(file, name, '\0');
      return name;
    }
  }
  return {};
}

}  // namespace

std::string kernel_name(const void* address) {
  Dl_info info{};
  std::string mangled;
  if (dladdr(address, &info) != 0 && info.dli_fbase != nullptr) {
    mangled = symbol_at(reinterpret_cast<std::uint64_t>(address) -
                        reinterpret_cast<std::uint64_t>(info.dli_fbase));
  }
  if (mangled.empty()) return fmt::format("{}", address);
  int status = 0;
  const std::unique_ptr<char, void (*)(void*)> demangled(
      abi::__cxa_demangle(mangled.c_str(), nullptr, nullptr, &status), std::free);
  std::string name = status == 0 ? demangled.get() : mangled;
  const std::size_t parameters = name.rfind('(');
  if (parameters != std::string::npos && parameters > 0 && name.back() == ')') {
    name.resize(parameters);
  }
  return name;
}

}  // namespace softmoe::gpu_emulation
