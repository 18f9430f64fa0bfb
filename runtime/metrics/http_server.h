#pragma once

// A listener for GET and nothing else.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

namespace softmoe::metrics {

/// What a GET is answered with.
struct HttpPage {
  int status = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::shared_ptr<const std::string> body;  ///< null: empty
};

/// Serves a fixed set of paths on one thread of its own. Requests and connections are bounded in
/// size, number and time; anything but GET and HEAD of a known path is refused (405; 404; 400: no
/// HTTP/1; 413: a body; 414, 431: too long a path or head), and no byte of a request is ever used
/// for more than finding the path. What follows a `?` in it is ignored. A page whose handler throws
/// is a 500.
class HttpServer {
 public:
  /// Called on the server's thread; must not wait.
  using Handler = std::function<HttpPage()>;

  struct Options {
    std::string listen = "127.0.0.1:0";    ///< host:port; port 0: a free one
    std::map<std::string, Handler> pages;  ///< by path, "/metrics"
    /// One more closes that whose request has been waited for longest, or, if all are being
    /// answered, is closed.
    int max_connections = 64;
    std::size_t max_request_bytes = 8192;  ///< request line and headers; a body is never read
    /// For the first request to begin, for a whole request, and for a reply to be taken.
    std::chrono::milliseconds patience{5000};
    std::chrono::milliseconds idle{90000};  ///< between the requests of a connection
  };

  /// Listens when it returns.
  /// @throws ConfigError naming the address and the cure if it is none, or nobody can listen there
  /// @throws InvalidArgument if a limit is not positive, a head may have more than 32768 bytes, or
  /// a
  ///         path does not begin with '/'
  explicit HttpServer(Options options);
  /// Closes everything; returns within a tenth of a second.
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  /// host:port with the real port; the host as it was given.
  [[nodiscard]] std::string address() const;
  /// Whether only this machine can reach it.
  [[nodiscard]] bool is_loopback() const;

  struct Counts {
    std::int64_t served = 0;   ///< 200
    std::int64_t refused = 0;  ///< any other status, or cut off amid a request or a reply
  };
  [[nodiscard]] Counts counts() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace softmoe::metrics
