#pragma once

// A coordinator's status for people and for programs.

#include <string>

#include "coordinator/messages.h"

namespace softmoe::launcher {

/// Tables: the run, its budget, its layers, its ranks, what was refused, what is alarming.
[[nodiscard]] std::string status_text(const coordinator::Status& status);

/// All of it as one JSON object on one line; docs/coordinator.md lists the fields.
[[nodiscard]] std::string status_json(const coordinator::Status& status);

/// "budget 8 -> 6, mode servo, from step 415 (revision 3)", and what it replaces.
[[nodiscard]] std::string change_text(const coordinator::ChangeReply& reply);
[[nodiscard]] std::string change_json(const coordinator::ChangeReply& reply);

}  // namespace softmoe::launcher
