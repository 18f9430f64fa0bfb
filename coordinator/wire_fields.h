#pragma once

// Fields on their way in and out: what every message is made of.

#include <google/protobuf/message_lite.h>
#include <google/protobuf/repeated_field.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "coordinator/refusal.h"

namespace softmoe::coordinator::wire {

/// @throws Refused malformed: "FIELD is VALUE, must be RULE"
[[noreturn]] void refuse(std::string_view field, const std::string& value, std::string_view rule);

/// An integer in [min, max].
std::int64_t integer(std::string_view field, std::int64_t value, std::int64_t min,
                     std::int64_t max = std::numeric_limits<std::int64_t>::max());
/// A count, a number or a step: not negative.
inline std::int64_t count(std::string_view field, std::int64_t value) {
  return integer(field, value, 0);
}
/// A step that may be the one before the first.
inline std::int64_t step_or_none(std::string_view field, std::int64_t value) {
  return integer(field, value, -1);
}
/// A finite number.
double number(std::string_view field, double value);
/// At most kMaxIdentifierBytes characters, without controls.
std::string identifier(std::string_view field, const std::string& value);
/// host:port of at most kMaxIdentifierBytes, or empty.
std::string address(std::string_view field, const std::string& value);
/// At most kMaxTextBytes; what would move a terminal becomes a blank.
std::string text(std::string_view field, const std::string& value);
/// @throws Refused malformed if a list has more than `max` entries
void bounded(std::string_view field, int size, int max);
/// @throws Refused malformed if a part is missing
void present(std::string_view field, bool is_there);
/// @throws Refused version unless it is this one
void protocol(std::uint32_t value);
/// @throws Refused malformed if the bytes are no such message at all
void parse(std::string_view bytes, google::protobuf::MessageLite& message);
[[nodiscard]] std::string bytes_of(const google::protobuf::MessageLite& message);

/// One of `size` kinds, numbered from 0.
template <class Kind>
Kind kind(std::string_view field, int value, int size) {
  return static_cast<Kind>(integer(field, value, 0, size - 1));
}

/// Numbers by layer.
std::vector<double> by_layer(std::string_view field,
                             const google::protobuf::RepeatedField<double>& values);
void set_by_layer(google::protobuf::RepeatedField<double>& out, const std::vector<double>& values);

/// A text as it may travel: valid UTF-8, no longer than `max_bytes`.
[[nodiscard]] std::string sendable(std::string_view value, int max_bytes);

}  // namespace softmoe::coordinator::wire
