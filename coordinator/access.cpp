#include "coordinator/access.h"

#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>

#include <array>
#include <charconv>

#include "coordinator/secret_file.h"
#include "runtime/base/errors.h"
#include "runtime/base/host_port.h"

namespace softmoe::coordinator {
namespace {

constexpr std::size_t kTokenBytes = 32;
constexpr std::array kRoles = {Role::rank, Role::observer, Role::admin};

std::string draw_token() {
  std::array<unsigned char, kTokenBytes> bytes{};
  if (RAND_bytes(bytes.data(), static_cast<int>(bytes.size())) != 1)
    throw ConfigError("cannot draw a token: the system's source of randomness gives nothing");
  std::string token;
  for (const unsigned char byte : bytes) token += fmt::format("{:02x}", byte);
  return token;
}

bool is_token(std::string_view text) {
  return text.size() == 2 * kTokenBytes &&
         text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

std::optional<std::string>& slot(Tokens& tokens, Role role) {
  return role == Role::rank ? tokens.rank : role == Role::observer ? tokens.observer : tokens.admin;
}

/// One line "role token"; never quoted in a message, it may hold a secret.
void read_line(std::string_view line, int number, const storage::Path& path, Tokens& tokens) {
  const std::size_t blank = line.find(' ');
  const std::string_view word = line.substr(0, blank);
  const std::string_view token =
      blank == std::string_view::npos ? std::string_view() : line.substr(blank + 1);
  for (const Role role : kRoles) {
    if (word != name_of(role) || !is_token(token)) continue;
    if (slot(tokens, role).has_value()) {
      throw ConfigError(fmt::format("{}:{}: a second token of role {}; keep one line of each",
                                    path.string(), number, name_of(role)));
    }
    slot(tokens, role) = std::string(token);
    return;
  }
  throw ConfigError(fmt::format(
      "{}:{}: must be 'ROLE TOKEN' with a role rank, observer or admin and {} hexadecimal digits; "
      "the coordinator writes such a file when it starts",
      path.string(), number, 2 * kTokenBytes));
}

}  // namespace

const std::optional<std::string>& Tokens::of(Role role) const {
  return role == Role::rank ? rank : role == Role::observer ? observer : admin;
}

Tokens draw_tokens() {
  return {.rank = draw_token(), .observer = draw_token(), .admin = draw_token()};
}

void write_tokens(const storage::Path& path, const Tokens& tokens) {
  std::string text;
  for (const Role role : kRoles) {
    if (const auto& token = tokens.of(role)) text += fmt::format("{} {}\n", name_of(role), *token);
  }
  write_secret(path, text);
}

Tokens read_tokens(const storage::Path& path) {
  const std::string text = read_secret(path);
  Tokens tokens;
  int number = 0;
  for (std::string_view rest = text; !rest.empty();) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    const std::string_view line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    ++number;
    if (!line.empty()) read_line(line, number, path, tokens);
  }
  if (!tokens.rank && !tokens.observer && !tokens.admin)
    throw ConfigError(fmt::format("'{}' holds no token", path.string()));
  return tokens;
}

bool equal_in_constant_time(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

std::optional<CertifiedName> certified_name(std::string_view name, std::string_view run_id) {
  constexpr std::string_view kRank = "rank-";
  if (run_id.empty() || name.size() <= run_id.size() + 1 || !name.ends_with(run_id) ||
      name[name.size() - run_id.size() - 1] != '.')
    return std::nullopt;
  std::string_view who = name.substr(0, name.size() - run_id.size() - 1);
  if (who == name_of(Role::observer)) return CertifiedName{.role = Role::observer, .rank = {}};
  if (who == name_of(Role::admin)) return CertifiedName{.role = Role::admin, .rank = {}};
  if (!who.starts_with(kRank)) return std::nullopt;
  who.remove_prefix(kRank.size());
  int rank = 0;
  const auto [end, error] = std::from_chars(who.data(), who.data() + who.size(), rank);
  // One way to write a number only: no sign, no zeros ahead.
  if (error != std::errc() || end != who.data() + who.size() || who != std::to_string(rank) ||
      rank < 0)
    return std::nullopt;
  return CertifiedName{.role = Role::rank, .rank = Rank{rank}};
}

bool is_loopback(std::string_view host) {
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  if (host == "localhost" || host == "::1") return true;
  // 127.0.0.0/8, written in full: "127.evil.example" is a name.
  if (!host.starts_with("127.")) return false;
  int parts = 0;
  while (true) {
    int part = 0;
    const auto [end, error] = std::from_chars(host.data(), host.data() + host.size(), part);
    if (error != std::errc() || part < 0 || part > 255) return false;
    ++parts;
    host.remove_prefix(static_cast<std::size_t>(end - host.data()));
    if (host.empty()) return parts == 4;
    if (host[0] != '.' || parts == 4) return false;
    host.remove_prefix(1);
  }
}

bool is_on_loopback(std::string_view address) {
  const auto place = parse_host_port(address);
  return place && is_loopback(place->host);
}

}  // namespace softmoe::coordinator
