#include "runtime/base/host_port.h"

#include <fmt/format.h>

#include <charconv>
#include <system_error>

namespace softmoe {

namespace {

constexpr std::string_view kOfNames =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_*";
constexpr std::string_view kOfNumbersInBrackets =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:%";

std::optional<std::string_view> parse_host(std::string_view text) {
  std::string_view letters = kOfNames;
  if (text.starts_with('[') && text.ends_with(']')) {
    text = text.substr(1, text.size() - 2);
    letters = kOfNumbersInBrackets;
  }
  const bool is_host = !text.empty() && text.find_first_not_of(letters) == std::string_view::npos;
  return is_host ? std::optional(text) : std::nullopt;
}

std::optional<int> parse_port(std::string_view text) {
  constexpr int kLargest = 65535;
  // std::from_chars would take a sign.
  if (text.empty() || text.front() < '0' || text.front() > '9') return std::nullopt;
  int port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  const bool is_port = error == std::errc() && end == text.data() + text.size() && port <= kLargest;
  return is_port ? std::optional(port) : std::nullopt;
}

}  // namespace

std::string HostPort::text() const {
  const bool has_colons = host.find(':') != std::string::npos;
  return has_colons ? fmt::format("[{}]:{}", host, port) : fmt::format("{}:{}", host, port);
}

bool HostPort::is_every_address() const {
  return host == "0.0.0.0" || host == "::" || host == "*";
}

std::optional<HostPort> parse_host_port(std::string_view text) {
  // Of several colons the last: what is before it has to be in brackets then.
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const auto host = parse_host(text.substr(0, colon));
  const auto port = parse_port(text.substr(colon + 1));
  if (!host || !port) return std::nullopt;
  return HostPort{.host = std::string(*host), .port = *port};
}

}  // namespace softmoe
