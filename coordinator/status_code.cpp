#include "coordinator/status_code.h"

#include <array>
#include <charconv>

#include "coordinator/wire_fields.h"

namespace softmoe::coordinator {
namespace {

constexpr int kMaxMessageBytes = 2000;

constexpr std::array<grpc::StatusCode, kNumReasons> kCodes = {
    grpc::StatusCode::UNAUTHENTICATED,      // bad_token
    grpc::StatusCode::UNAUTHENTICATED,      // bad_certificate
    grpc::StatusCode::PERMISSION_DENIED,    // role
    grpc::StatusCode::INVALID_ARGUMENT,     // malformed
    grpc::StatusCode::RESOURCE_EXHAUSTED,   // too_large
    grpc::StatusCode::RESOURCE_EXHAUSTED,   // too_often
    grpc::StatusCode::FAILED_PRECONDITION,  // run
    grpc::StatusCode::FAILED_PRECONDITION,  // version
    grpc::StatusCode::INVALID_ARGUMENT,     // configuration
    grpc::StatusCode::FAILED_PRECONDITION,  // term
    grpc::StatusCode::OUT_OF_RANGE,         // rank
    grpc::StatusCode::ALREADY_EXISTS,       // second_owner
    grpc::StatusCode::OUT_OF_RANGE,         // step
    grpc::StatusCode::INVALID_ARGUMENT,     // record
    grpc::StatusCode::OUT_OF_RANGE,         // set_points
    grpc::StatusCode::FAILED_PRECONDITION,  // not_in_this_mode
    grpc::StatusCode::UNAVAILABLE,          // journal
};

}  // namespace

grpc::StatusCode status_code(Reason reason) {
  return kCodes[static_cast<std::size_t>(reason)];
}

grpc::Status status_of(const Refused& refused) {
  return {status_code(refused.reason()), wire::sendable(refused.what(), kMaxMessageBytes)};
}

std::optional<Reason> reason_of(std::string_view number) {
  int value = 0;
  const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), value);
  const bool is_whole = error == std::errc() && end == number.data() + number.size();
  if (!is_whole || value < 0 || value >= kNumReasons) return std::nullopt;
  return static_cast<Reason>(value);
}

}  // namespace softmoe::coordinator
