#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "coordinator/access.h"
#include "coordinator/call_counts.h"
#include "coordinator/coordinator.h"
#include "coordinator/coordinator_config.h"

namespace softmoe::coordinator {

struct Handlers;

/// Serves one Coordinator by gRPC, and looks for hangs a few times a second, until it is destroyed.
///
/// A caller is known by its certificate, by the token in its metadata, or, where the configuration
/// allows no secret, not at all. Who it is, how often it calls and how large its message is are
/// checked before the message is decoded; what the message says is checked by the Coordinator.
/// Every refusal is a status, a counter and at a bounded rate a line.
///
/// The limits that bound memory: one message, all messages in flight, threads, calls of a
/// connection, metadata; idle connections may not ping more often than every 10 s.
class Server {
 public:
  struct Options {
    const CoordinatorConfig& config;
    std::string run_id;  ///< for names in certificates
    std::optional<Tokens>
        tokens;  ///< needed off loopback, unless TLS is given or `insecure` is set
    /// A line for people when a call failed by no fault of its caller; any thread, may be empty.
    std::function<void(const std::string& line)> log = {};
  };

  /// Starts to listen.
  /// @param coordinator  outlives the server
  /// @throws ConfigError with the cure: the address cannot be bound or resolved, certificates
  /// cannot
  ///         be read or a key is readable by others, or the address is not loopback and there is
  ///         neither TLS nor a token and `insecure` is not set
  Server(Coordinator& coordinator, const Options& options);
  /// Serves something else in a coordinator's place.
  Server(Handlers handlers, const Options& options);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  /// host:port with the real port. Where it listens on every address of the machine, the host is
  /// the machine's name.
  [[nodiscard]] const std::string& address() const;
  /// What people must be told on every start: that callers prove nothing, or send their tokens over
  /// a network in the clear. Empty: nothing of the kind.
  [[nodiscard]] const std::string& warning() const;

  /// The calls that were answered so far. Any thread; waits for nobody.
  [[nodiscard]] AllCallTotals calls() const;

  /// What endpoint.h calls in_process: a channel to this server without a network. Only for files
  /// of this folder, where gRPC is known.
  struct Impl;
  [[nodiscard]] Impl& impl() const { return *impl_; }

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace softmoe::coordinator
