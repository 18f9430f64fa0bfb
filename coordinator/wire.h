#pragma once

// The bytes of coordinator.proto, and what they say. Only this and files named wire_* know the
// generated code.

#include <cstdint>
#include <string>
#include <string_view>

#include "coordinator/messages.h"

namespace softmoe::coordinator {

/// The version of what fields mean; every request carries it.
inline constexpr std::uint32_t kProtocol = 1;

// Limits of what is decoded, beyond the size of the message.
inline constexpr int kMaxWorld = 1 << 20;
inline constexpr int kMaxLayers = 4096;
inline constexpr int kMaxRecordsPerReport = 1024;
inline constexpr int kMaxListed = 1024;  ///< changes or requests in one message
inline constexpr int kMaxAlarms = 4096;
inline constexpr int kMaxIdentifierBytes = 256;
inline constexpr int kMaxTextBytes = 4096;

/// A request of people without content: what is it like.
struct StatusRequest {};
/// Asks for a request of ranks.
struct RequestOrder {
  budget::Request request = budget::Request::save;
};
/// The answer to a farewell.
struct Empty {};

/// A message as bytes. Text that is too long is cut, and text that is no UTF-8 is made so; all else
/// travels as it is, even what decode() refuses.
[[nodiscard]] std::string encode(const Registration& message);
[[nodiscard]] std::string encode(const Admission& message);
[[nodiscard]] std::string encode(const Heartbeat& message);
[[nodiscard]] std::string encode(const HeartbeatReply& message);
[[nodiscard]] std::string encode(const RecordReport& message);
[[nodiscard]] std::string encode(const RecordReply& message);
[[nodiscard]] std::string encode(const Farewell& message);
[[nodiscard]] std::string encode(const Empty& message);
[[nodiscard]] std::string encode(const StatusRequest& message);
[[nodiscard]] std::string encode(const Status& message);
[[nodiscard]] std::string encode(const ChangeOrder& message);
[[nodiscard]] std::string encode(const ChangeReply& message);
[[nodiscard]] std::string encode(const RequestOrder& message);
[[nodiscard]] std::string encode(const NumberedRequest& message);

/// What bytes from outside say. Their form is checked in full: ranges of numbers, kinds and
/// lengths, that numbers are finite, that what must be there is. Their sense is the coordinator's.
///
/// Memory: at most 128 times the bytes.
/// @throws Refused malformed, naming the field; version, if a request is of another protocol.
template <class Message>
[[nodiscard]] Message decode(std::string_view bytes);

template <>
[[nodiscard]] Registration decode<Registration>(std::string_view bytes);
template <>
[[nodiscard]] Admission decode<Admission>(std::string_view bytes);
template <>
[[nodiscard]] Heartbeat decode<Heartbeat>(std::string_view bytes);
template <>
[[nodiscard]] HeartbeatReply decode<HeartbeatReply>(std::string_view bytes);
template <>
[[nodiscard]] RecordReport decode<RecordReport>(std::string_view bytes);
template <>
[[nodiscard]] RecordReply decode<RecordReply>(std::string_view bytes);
template <>
[[nodiscard]] Farewell decode<Farewell>(std::string_view bytes);
template <>
[[nodiscard]] Empty decode<Empty>(std::string_view bytes);
template <>
[[nodiscard]] StatusRequest decode<StatusRequest>(std::string_view bytes);
template <>
[[nodiscard]] Status decode<Status>(std::string_view bytes);
template <>
[[nodiscard]] ChangeOrder decode<ChangeOrder>(std::string_view bytes);
template <>
[[nodiscard]] ChangeReply decode<ChangeReply>(std::string_view bytes);
template <>
[[nodiscard]] RequestOrder decode<RequestOrder>(std::string_view bytes);
template <>
[[nodiscard]] NumberedRequest decode<NumberedRequest>(std::string_view bytes);

}  // namespace softmoe::coordinator
