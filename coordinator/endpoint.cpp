#include "coordinator/endpoint.h"

#include <fmt/format.h>

#include "runtime/base/errors.h"
#include "runtime/storage/atomic_file.h"
#include "runtime/storage/posix_file_system.h"

namespace softmoe::coordinator {
namespace {

constexpr std::int64_t kMaxAddressBytes = 1024;

storage::Path address_path(const std::string& folder) {
  return storage::Path(folder) / "address";
}

std::string find_address(const CoordinatorConfig& config) {
  if (!config.address.empty()) return config.address;
  if (config.folder.empty()) {
    throw ConfigError(
        "coordinator.address and coordinator.folder are both empty: give the address of the "
        "coordinator, or the folder in which it publishes it");
  }
  if (const auto published = published_address(config.folder)) return *published;
  throw ConfigError(fmt::format(
      "no coordinator has published its address in '{0}': start `softmoe coordinator` with "
      "coordinator.folder: {0}, or set coordinator.address",
      config.folder));
}

/// The token of the role, if there is a file for tokens.
std::optional<std::string> find_token(const CoordinatorConfig& config, Role role) {
  const std::string path = token_path(config);
  if (path.empty() || (config.token_file.empty() && !storage::PosixFileSystem().exists(path)))
    return std::nullopt;
  const auto token = read_tokens(path).of(role);
  if (!token) {
    throw ConfigError(fmt::format(
        "'{}' holds no token of role {}: ask whoever runs the coordinator for one, and point "
        "coordinator.token_file there",
        path, name_of(role)));
  }
  return token;
}

}  // namespace

Endpoint find_endpoint(const CoordinatorConfig& config, Role role) {
  Endpoint endpoint;
  endpoint.address = find_address(config);
  if (config.address.empty()) endpoint.folder = config.folder;
  endpoint.tls = config.tls;
  if (endpoint.tls.is_given()) return endpoint;
  endpoint.token = find_token(config, role);
  if (!endpoint.token && !config.insecure && !is_on_loopback(endpoint.address)) {
    throw ConfigError(fmt::format(
        "the coordinator at {} is on another machine and there is nothing to prove who calls: set "
        "coordinator.tls, or coordinator.token_file to a file with a token of role {}; "
        "coordinator.insecure calls without",
        endpoint.address, name_of(role)));
  }
  return endpoint;
}

void publish_address(const std::string& folder, const std::string& address) {
  storage::PosixFileSystem files;
  files.make_directories(folder);
  storage::write_file(files, address_path(folder), storage::bytes_of(address + "\n"));
}

std::optional<std::string> published_address(const std::string& folder) {
  storage::PosixFileSystem files;
  if (!files.exists(address_path(folder))) return std::nullopt;
  std::string address = storage::read_text(files, address_path(folder), kMaxAddressBytes);
  while (!address.empty() && address.back() == '\n') address.pop_back();
  if (address.empty()) return std::nullopt;
  return address;
}

void publish_metrics_address(const std::string& folder, const std::string& address) {
  storage::PosixFileSystem files;
  const storage::Path path = storage::Path(folder) / "metrics_address";
  if (!address.empty()) {
    storage::write_file(files, path, storage::bytes_of(address + "\n"));
  } else if (files.exists(path)) {
    files.remove(path);
  }
}

std::string token_path(const CoordinatorConfig& config) {
  if (!config.token_file.empty()) return config.token_file;
  return config.folder.empty() ? "" : (storage::Path(config.folder) / "tokens").string();
}

}  // namespace softmoe::coordinator
