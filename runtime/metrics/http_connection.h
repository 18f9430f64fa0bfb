#pragma once

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "runtime/metrics/http_request.h"
#include "runtime/metrics/http_server.h"

namespace softmoe::metrics {

class HttpConnection;

/// What the connections of a server share. Used on the server's thread; the counts by any.
struct HttpService {
  HttpServer::Options options;
  std::atomic<std::int64_t> served{0};
  std::atomic<std::int64_t> refused{0};
  std::set<std::shared_ptr<HttpConnection>> open;

  /// Closes the connection whose request has been waited for longest.
  /// @return false if all are being answered
  bool close_longest_waiting();
};

/// One client: requests are read and answered one after the other. Every state has a deadline, at
/// which the socket is closed, whatever the client does.
class HttpConnection : public std::enable_shared_from_this<HttpConnection> {
 public:
  using Clock = std::chrono::steady_clock;

  /// @param service  outlives this object
  HttpConnection(HttpService& service, boost::asio::ip::tcp::socket socket);

  /// Reads the first request. The object is among service.open until it is closed.
  void start();
  void close();
  [[nodiscard]] bool is_answered() const { return phase_ == Phase::answering; }
  [[nodiscard]] Clock::time_point waiting_since() const { return waiting_since_; }

 private:
  enum class Phase : std::uint8_t {
    waiting,    ///< for the first byte of a request
    reading,    ///< its head has begun
    answering,  ///< the reply is on its way
    leaving,    ///< all is said; what the client still sends is thrown away
  };

  void set_deadline(std::chrono::milliseconds limit);
  /// Whoever did not take a reply in time shall not have the system keep it for him either.
  void reset_if_unsent();
  void read();
  void look_at_bytes();
  void answer(const HttpRequest& request);
  void send(const HttpPage& page, const HttpRequest& request);
  void after_reply(int status, bool keep_alive, std::size_t request_size);
  void leave();
  void discard(std::size_t budget);

  HttpService& service_;
  boost::asio::ip::tcp::socket socket_;
  boost::asio::steady_timer deadline_;
  Phase phase_ = Phase::waiting;
  Clock::time_point waiting_since_ = Clock::now();
  std::vector<char> buffer_;  ///< of a head's greatest size
  std::size_t filled_ = 0;
  std::size_t searched_ = 0;  ///< of them, known to hold no whole head
  std::string reply_head_;
  std::shared_ptr<const std::string> reply_body_;
};

}  // namespace softmoe::metrics
