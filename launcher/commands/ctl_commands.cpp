#include <fmt/format.h>
#include <unistd.h>

#include <iostream>
#include <thread>

#include "coordinator/control_client.h"
#include "launcher/commands/command.h"
#include "launcher/run/run_config.h"
#include "launcher/run/status_text.h"
#include "runtime/storage/posix_file_system.h"

namespace softmoe::launcher {

namespace {

using coordinator::ControlClient;
using coordinator::Role;

/// Clears the screen and goes to its corner.
constexpr const char* kClear = "\x1b[2J\x1b[H";

/// A folder that a coordinator publishes in: the one named, or the one inside a run folder.
std::string published_folder(const std::string& place) {
  storage::PosixFileSystem files;
  const storage::Path inside = storage::Path(place) / "coordinator";
  return files.is_directory(inside) ? inside.string() : place;
}

coordinator::CoordinatorConfig coordinator_of(const CtlOptions& options) {
  coordinator::CoordinatorConfig config;
  if (!options.config_path.empty()) {
    config = config::load<RunConfig>(config::Source::file(options.config_path)).value.coordinator;
  }
  if (!options.place.empty()) config.folder = published_folder(options.place);
  if (!options.address.empty()) config.address = options.address;
  if (!options.token_file.empty()) config.token_file = options.token_file;
  if (options.tls.is_given()) config.tls = options.tls;
  config.insecure = config.insecure || options.insecure;
  if (config.folder.empty() && config.address.empty()) {
    throw ConfigError(
        "which coordinator? Name a run folder or a coordinator's folder, or give --config or "
        "--address");
  }
  return config;
}

ControlClient client_of(const CtlOptions& options, Role role) {
  return ControlClient(coordinator::find_endpoint(coordinator_of(options), role));
}

/// Whoever may change things may also look.
ControlClient observing_client_of(const CtlOptions& options) {
  const coordinator::CoordinatorConfig config = coordinator_of(options);
  storage::PosixFileSystem files;
  const bool has_tokens = !config.tls.is_given() && files.exists(coordinator::token_path(config));
  const bool is_admin =
      has_tokens && !coordinator::read_tokens(coordinator::token_path(config)).of(Role::observer);
  return ControlClient(coordinator::find_endpoint(config, is_admin ? Role::admin : Role::observer));
}

void say(const std::string& text) {
  fmt::print("{}\n", text);
  std::fflush(stdout);
}

bool is_confirmed(const std::string& question) {
  if (isatty(STDIN_FILENO) == 0) {
    throw ConfigError(question + " Nobody is here to be asked: add --yes");
  }
  fmt::print("{} [y/N] ", question);
  std::fflush(stdout);
  std::string answer;
  std::getline(std::cin, answer);
  return answer == "y" || answer == "yes";
}

ExitCode order(const CtlOptions& options, budget::Request request, const std::string& what) {
  const coordinator::NumberedRequest numbered = client_of(options, Role::admin).request(request);
  say(options.json ? fmt::format(R"({{"number":{},"request":"{}"}})", numbered.number,
                                 name_of(numbered.request))
                   : fmt::format("request {}: {}", numbered.number, what));
  return ExitCode::done;
}

}  // namespace

ExitCode ctl_status(const CtlOptions& options) {
  const coordinator::Status status = observing_client_of(options).status();
  say(options.json ? status_json(status) : status_text(status));
  return ExitCode::done;
}

ExitCode ctl_watch(const CtlOptions& options, double every_seconds, std::int64_t count) {
  ControlClient client = observing_client_of(options);
  const bool is_screen = !options.json && isatty(STDOUT_FILENO) != 0;
  for (std::int64_t shown = 0; count == 0 || shown < count; ++shown) {
    if (shown > 0) std::this_thread::sleep_for(std::chrono::duration<double>(every_seconds));
    const coordinator::Status status = client.status();
    say((is_screen ? kClear : "") + (options.json ? status_json(status) : status_text(status)));
  }
  return ExitCode::done;
}

ExitCode ctl_change(const CtlOptions& options, const coordinator::ChangeOrder& order) {
  const coordinator::ChangeReply reply = client_of(options, Role::admin).change(order);
  say(options.json ? change_json(reply) : change_text(reply));
  return ExitCode::done;
}

ExitCode ctl_checkpoint(const CtlOptions& options) {
  return order(options, budget::Request::save, "the run saves after its next step");
}

ExitCode ctl_drain(const CtlOptions& options, bool is_sure) {
  if (!is_sure && !is_confirmed("The run will finish its step, save and end with code 75.")) {
    say("left alone");
    return ExitCode::done;
  }
  return order(options, budget::Request::drain, "the run finishes its step, saves and ends");
}

}  // namespace softmoe::launcher
