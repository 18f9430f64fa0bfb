#pragma once

#include <string>

#include "runtime/base/host_port.h"

namespace softmoe::coordinator {

/// Why nothing can listen at host:port, in the system's words: the port is taken, the host has no
/// such address, or is unknown.
[[nodiscard]] std::string why_not_listening(const std::string& address);

/// The place as others reach who listens there: the machine's name for "every address".
[[nodiscard]] HostPort for_others(HostPort place);

}  // namespace softmoe::coordinator
