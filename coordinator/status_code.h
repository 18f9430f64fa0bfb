#pragma once

// Refusals as the status of a call, there and back.
//
//   Reason                                   status
//   bad_token, bad_certificate               UNAUTHENTICATED
//   role                                     PERMISSION_DENIED
//   malformed, record, configuration         INVALID_ARGUMENT
//   too_large, too_often                     RESOURCE_EXHAUSTED
//   run, version, term, not_in_this_mode     FAILED_PRECONDITION
//   rank, step, set_points                   OUT_OF_RANGE
//   second_owner                             ALREADY_EXISTS
//   journal                                  UNAVAILABLE
//
// The reason itself travels in the trailing metadata `softmoe-reason` as its number, the words as
// the message of the status, cut at 2,000 bytes.

#include <grpcpp/support/status.h>

#include <optional>
#include <string>
#include <string_view>

#include "coordinator/refusal.h"

namespace softmoe::coordinator {

[[nodiscard]] grpc::StatusCode status_code(Reason reason);
[[nodiscard]] grpc::Status status_of(const Refused& refused);

/// The reason that a number in metadata stands for; nothing if it is none of this version.
[[nodiscard]] std::optional<Reason> reason_of(std::string_view number);

}  // namespace softmoe::coordinator
