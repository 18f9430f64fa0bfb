#pragma once

// Who may call what, and how a caller proves who it is.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "runtime/base/strong.h"
#include "runtime/storage/file_system.h"

namespace softmoe::coordinator {

enum class Role : std::uint8_t {
  rank,      ///< registers, sends heartbeats and, as rank 0, records
  observer,  ///< reads the status
  admin,     ///< changes set-points, asks for checkpoints and drains; reads the status
};

[[nodiscard]] constexpr std::string_view name_of(Role role) {
  return role == Role::rank ? "rank" : role == Role::observer ? "observer" : "admin";
}

/// The tokens of a run, one for each role: 256 random bits each, in hexadecimal. A file of mode
/// 0600 holds a line "role token" for each role its reader may take; whoever may only watch gets a
/// file with the one line.
struct Tokens {
  std::optional<std::string> rank;
  std::optional<std::string> observer;
  std::optional<std::string> admin;

  [[nodiscard]] const std::optional<std::string>& of(Role role) const;
};

/// Three tokens from the system's source of randomness.
[[nodiscard]] Tokens draw_tokens();
/// Writes the file with mode 0600 before anything is in it.
/// @throws StorageError
void write_tokens(const storage::Path& path, const Tokens& tokens);
/// @throws ConfigError, with the cure, if others may read the file or it is no such file;
///         StorageError if it cannot be read
[[nodiscard]] Tokens read_tokens(const storage::Path& path);

/// Whether the strings are equal, in time that depends on their lengths alone.
[[nodiscard]] bool equal_in_constant_time(std::string_view a, std::string_view b);

/// Who a name of a certificate speaks for: `rank-N.RUN`, `observer.RUN`, `admin.RUN`.
struct CertifiedName {
  Role role = Role::observer;
  std::optional<Rank> rank;  ///< of role rank
};
/// Nothing if the name is not of this run or has no such form.
[[nodiscard]] std::optional<CertifiedName> certified_name(std::string_view name,
                                                          std::string_view run_id);

/// Whether a host, by name or number, is this machine's loopback.
[[nodiscard]] bool is_loopback(std::string_view host);
/// The same of the host of host:port; what is none is not.
[[nodiscard]] bool is_on_loopback(std::string_view address);

}  // namespace softmoe::coordinator
