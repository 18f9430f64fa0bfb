#pragma once

// The calls of the service, in one table: their names on the wire, who may make them, and how large
// their messages can be.

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "coordinator/access.h"

namespace softmoe::coordinator {

enum class Method : std::uint8_t {
  register_rank,
  heartbeat,
  report,
  farewell,
  status,
  change,
  request,
};

struct MethodRules {
  Method method = Method::status;
  std::string_view path;  ///< of the call, as coordinator.proto names it
  bool for_rank = false;
  bool for_observer = false;
  bool for_admin = false;
  /// What carries neither records nor values by layer has no need of more; else the configuration's
  /// limit holds.
  std::optional<std::int64_t> max_bytes;

  [[nodiscard]] constexpr bool allows(Role role) const {
    return role == Role::rank ? for_rank : role == Role::observer ? for_observer : for_admin;
  }
};

inline constexpr std::int64_t kMaxSmallMessageBytes = 16 << 10;

inline constexpr std::array<MethodRules, 7> kMethods = {
    MethodRules{.method = Method::register_rank,
                .path = "/softmoe.coordinator.v1.Coordinator/Register",
                .for_rank = true},
    MethodRules{.method = Method::heartbeat,
                .path = "/softmoe.coordinator.v1.Coordinator/SendHeartbeat",
                .for_rank = true,
                .max_bytes = kMaxSmallMessageBytes},
    MethodRules{.method = Method::report,
                .path = "/softmoe.coordinator.v1.Coordinator/ReportRecords",
                .for_rank = true},
    MethodRules{.method = Method::farewell,
                .path = "/softmoe.coordinator.v1.Coordinator/Farewell",
                .for_rank = true,
                .max_bytes = kMaxSmallMessageBytes},
    MethodRules{.method = Method::status,
                .path = "/softmoe.coordinator.v1.Coordinator/GetStatus",
                .for_observer = true,
                .for_admin = true,
                .max_bytes = kMaxSmallMessageBytes},
    MethodRules{.method = Method::change,
                .path = "/softmoe.coordinator.v1.Coordinator/ChangeSetPoints",
                .for_admin = true},
    MethodRules{.method = Method::request,
                .path = "/softmoe.coordinator.v1.Coordinator/MakeRequest",
                .for_admin = true,
                .max_bytes = kMaxSmallMessageBytes}};

/// The method as coordinator.proto names it: "SendHeartbeat".
[[nodiscard]] constexpr std::string_view name_of(const MethodRules& rules) {
  return rules.path.substr(rules.path.rfind('/') + 1);
}

[[nodiscard]] constexpr const MethodRules& rules_of(Method method) {
  return kMethods[static_cast<std::size_t>(method)];
}

/// Null: no such call.
[[nodiscard]] constexpr const MethodRules* find_method(std::string_view path) {
  for (const MethodRules& rules : kMethods) {
    if (rules.path == path) return &rules;
  }
  return nullptr;
}

// Metadata of a call.
inline constexpr std::string_view kAuthorization = "authorization";  ///< "Bearer TOKEN"
inline constexpr std::string_view kBearer = "Bearer ";
inline constexpr std::string_view kRankKey = "softmoe-rank";      ///< which rank calls
inline constexpr std::string_view kReasonKey = "softmoe-reason";  ///< trailing: why it was refused

}  // namespace softmoe::coordinator
