#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "coordinator/endpoint.h"
#include "coordinator/methods.h"
#include "coordinator/refusal.h"
#include "coordinator/wire.h"

namespace softmoe::coordinator {

/// One caller's calls, one at a time, over a connection of its own: callers with different
/// certificates never share one. A connection that failed is given up, and the next call makes
/// another, with the certificates that lie there by then.
class ClientCalls {
 public:
  /// @param rank  whose calls these are; nothing: a person's
  ClientCalls(Endpoint endpoint, std::optional<Rank> rank);
  ~ClientCalls();
  ClientCalls(const ClientCalls&) = delete;
  ClientCalls& operator=(const ClientCalls&) = delete;

  /// @throws Refused, as the coordinator said; CommError, naming the address and the cure, if it
  ///         cannot be reached, does not answer in time or not in this protocol; ConfigError if the
  ///         certificates cannot be used
  template <class Reply, class Message>
  [[nodiscard]] Reply call(Method method, const Message& message,
                           std::chrono::milliseconds deadline) {
    const std::string bytes = exchange(method, encode(message), deadline);
    try {
      return decode<Reply>(bytes);
    } catch (const Refused& refused) {
      throw_bad_reply(refused);
    }
  }

  /// Ends the call in progress and lets no other begin: they fail at once. Any thread.
  void cancel();

  /// How messages name the coordinator.
  [[nodiscard]] const std::string& peer() const { return peer_; }

 private:
  struct State;

  [[nodiscard]] std::string exchange(Method method, const std::string& bytes,
                                     std::chrono::milliseconds deadline);
  [[noreturn]] void throw_bad_reply(const Refused& refused) const;

  Endpoint endpoint_;
  std::optional<Rank> rank_;
  std::string peer_;
  std::unique_ptr<State> state_;
};

}  // namespace softmoe::coordinator
