#include "launcher/doctor/library_checks.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>

namespace softmoe::launcher {

namespace {

/// "OpenSSL 3.0" of "OpenSSL 3.0.16 11 Feb 2025": what keeps its ABI.
std::string_view release_of(std::string_view version) {
  const std::size_t minor = version.find('.');
  if (minor == std::string_view::npos) return version;
  return version.substr(0, version.find_first_of(". ", minor + 1));
}

}  // namespace

Finding check_network_libraries(const coordinator::LibraryVersions& versions) {
  const std::string found =
      fmt::format("gRPC {}, protobuf {}, {}", versions.grpc, versions.protobuf, versions.openssl);
  if (release_of(versions.openssl) != release_of(versions.built_openssl)) {
    return {Verdict::warn, "network libraries",
            fmt::format("{}, but softmoe was built with {}", found, versions.built_openssl),
            "build again, or install the OpenSSL of the build"};
  }
  return {Verdict::ok, "network libraries", found, ""};
}

Finding check_blas(const BlasFacts& facts) {
  if (!facts.onednn.empty()) {
    return {Verdict::ok, "BLAS", fmt::format("oneDNN {}", facts.onednn), ""};
  }
  // What OpenBLAS falls back to where it does not know the processor.
  constexpr std::array<std::string_view, 6> kOld = {"Prescott", "Core2",      "Nehalem",
                                                    "Penryn",   "Dunnington", "generic"};
  const bool is_old = std::find(kOld.begin(), kOld.end(), facts.kernels) != kOld.end();
  const std::string found = fmt::format("OpenBLAS kernels {}", facts.kernels);
  if (is_old && (facts.has_avx2 || facts.has_avx512)) {
    return {
        Verdict::warn, "BLAS",
        fmt::format("{} on a processor with {}", found, facts.has_avx512 ? "AVX-512" : "AVX2"),
        fmt::format("OPENBLAS_CORETYPE={} on all ranks: matrix products are several times slower",
                    facts.has_avx512 ? "SkylakeX" : "Haswell")};
  }
  return {Verdict::ok, "BLAS", found, ""};
}

}  // namespace softmoe::launcher
