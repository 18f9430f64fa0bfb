#pragma once

#include <chrono>
#include <string>
#include <string_view>

namespace softmoe::metrics {

/// A socket to a listener, and nothing that knows HTTP: bytes as they are.
class RawClient {
 public:
  /// @param address  127.0.0.1:port or [::1]:port
  /// @throws std::runtime_error if nobody answers there
  explicit RawClient(const std::string& address);
  ~RawClient();
  RawClient(RawClient&& other) noexcept;
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;

  /// @return false if the other side has closed
  bool send(std::string_view bytes);
  /// Says that nothing more is sent.
  void finish_sending();
  /// What there is within `limit`: at most `most` bytes, possibly none.
  [[nodiscard]] std::string receive(std::size_t most, std::chrono::milliseconds limit);
  /// Everything until the other side closes.
  /// @throws std::runtime_error if it does not within some seconds
  [[nodiscard]] std::string receive_all();
  /// Everything until `end` has come.
  /// @throws std::runtime_error with what came, if it does not
  [[nodiscard]] std::string receive_until(std::string_view end);
  /// Whether the other side closes within `limit`; what it still sends is thrown away.
  [[nodiscard]] bool is_closed_within(std::chrono::milliseconds limit);
  /// Takes in at most so many bytes at a time.
  void shrink_receive_buffer(int bytes);

 private:
  int descriptor_ = -1;
};

/// Sends `request` on a connection of its own and reads what comes until the end.
[[nodiscard]] std::string say(const std::string& address, std::string_view request);

/// GET of `path` that asks for the connection to be closed.
[[nodiscard]] std::string get(const std::string& address, const std::string& path);

/// 200 of "HTTP/1.1 200 OK..."; -1: no reply.
[[nodiscard]] int status_of(const std::string& reply);
/// What follows the head.
[[nodiscard]] std::string body_of(const std::string& reply);

}  // namespace softmoe::metrics
