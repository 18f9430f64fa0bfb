#include "coordinator/wire_fields.h"

#include <fmt/format.h>
#include <google/protobuf/stubs/logging.h>

#include <algorithm>
#include <mutex>

#include "coordinator/wire.h"
#include "runtime/base/host_port.h"

namespace softmoe::coordinator::wire {
namespace {

bool is_control(char c) {
  return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
}

bool is_continuation(char c) {
  return (static_cast<unsigned char>(c) & 0xC0) == 0x80;
}

/// Bytes of the UTF-8 character that `rest` begins with; 0: none does.
std::size_t character_bytes(std::string_view rest) {
  const auto first = static_cast<unsigned char>(rest[0]);
  if (first < 0x80) return 1;
  const std::size_t size = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4 || rest.size() < size) return 0;
  for (std::size_t i = 1; i < size; ++i) {
    if (!is_continuation(rest[i])) return 0;
  }
  // Longer than need be, a surrogate, or beyond the last character.
  const auto second = static_cast<unsigned char>(rest[1]);
  const bool is_wrong = (first == 0xE0 && second < 0xA0) || (first == 0xED && second > 0x9F) ||
                        (first == 0xF0 && second < 0x90) || (first == 0xF4 && second > 0x8F);
  return is_wrong ? 0 : size;
}

}  // namespace

void refuse(std::string_view field, const std::string& value, std::string_view rule) {
  throw Refused(Reason::malformed, fmt::format("{} is {}, must be {}", field, value, rule));
}

std::int64_t integer(std::string_view field, std::int64_t value, std::int64_t min,
                     std::int64_t max) {
  if (value < min || value > max) {
    const bool is_open = max == std::numeric_limits<std::int64_t>::max();
    refuse(field, std::to_string(value),
           is_open ? fmt::format("at least {}", min) : fmt::format("in [{}, {}]", min, max));
  }
  return value;
}

double number(std::string_view field, double value) {
  if (!std::isfinite(value)) refuse(field, std::to_string(value), "finite");
  return value;
}

std::string identifier(std::string_view field, const std::string& value) {
  if (value.size() > kMaxIdentifierBytes) {
    refuse(field, fmt::format("{} bytes", value.size()),
           fmt::format("at most {}", kMaxIdentifierBytes));
  }
  if (std::any_of(value.begin(), value.end(), is_control))
    refuse(field, "with control characters", "without");
  return value;
}

std::string address(std::string_view field, const std::string& value) {
  const auto place = parse_host_port(identifier(field, value));
  if (value.empty() || (place && place->port > 0)) return value;
  refuse(field, fmt::format("'{}'", value), "host:port, or empty");
}

std::string text(std::string_view field, const std::string& value) {
  if (value.size() > kMaxTextBytes)
    refuse(field, fmt::format("{} bytes", value.size()), fmt::format("at most {}", kMaxTextBytes));
  std::string clean = value;
  std::replace_if(clean.begin(), clean.end(), is_control, ' ');
  return clean;
}

void bounded(std::string_view field, int size, int max) {
  if (size > max) refuse(field, fmt::format("{} entries", size), fmt::format("at most {}", max));
}

void present(std::string_view field, bool is_there) {
  if (!is_there) refuse(field, "missing", "there");
}

void protocol(std::uint32_t value) {
  if (value == kProtocol) return;
  throw Refused(Reason::version,
                fmt::format("the caller speaks protocol {}, the coordinator {}; run the same "
                            "version of softmoe on both sides",
                            value, kProtocol));
}

void parse(std::string_view bytes, google::protobuf::MessageLite& message) {
  // The library would print a line for every text that is no UTF-8: whoever calls could fill a
  // disk.
  static std::once_flag once;
  std::call_once(once, [] { google::protobuf::SetLogHandler(nullptr); });
  if (!std::in_range<int>(bytes.size()) ||
      !message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    throw Refused(Reason::malformed,
                  fmt::format("{} bytes are no {}", bytes.size(), message.GetTypeName()));
  }
}

std::string bytes_of(const google::protobuf::MessageLite& message) {
  return message.SerializeAsString();
}

std::vector<double> by_layer(std::string_view field,
                             const google::protobuf::RepeatedField<double>& values) {
  bounded(field, values.size(), kMaxLayers);
  for (const double value : values) number(field, value);
  return {values.begin(), values.end()};
}

void set_by_layer(google::protobuf::RepeatedField<double>& out, const std::vector<double>& values) {
  out.Add(values.begin(), values.end());
}

std::string sendable(std::string_view value, int max_bytes) {
  std::string out;
  for (std::size_t at = 0; at < value.size();) {
    const std::size_t size = character_bytes(value.substr(at));
    if (out.size() + std::max<std::size_t>(size, 1) > static_cast<std::size_t>(max_bytes)) break;
    if (size == 0) {
      out += '?';
    } else {
      out += value.substr(at, size);
    }
    at += std::max<std::size_t>(size, 1);
  }
  return out;
}

}  // namespace softmoe::coordinator::wire
