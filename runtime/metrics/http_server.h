#pragma once

// A listener for GET and nothing else.

#include <chrono>
#include <cstddef>
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
/// size, number and time; anything but GET and HEAD of a known path is refused (405, 404, 400, 413,
/// 414), and no byte of a request is ever used for more than finding the path.
class HttpServer {
 public:
  /// Called on the server's thread; must not wait.
  using Handler = std::function<HttpPage()>;

  struct Options {
    std::string listen = "127.0.0.1:0";        ///< host:port; port 0: a free one
    std::map<std::string, Handler> pages;      ///< by path, "/metrics"
    int max_connections = 64;                  ///< one more closes the longest idle, or is closed
    std::size_t max_request_bytes = 8192;      ///< request line and headers; a body is never read
    std::chrono::milliseconds patience{5000};  ///< for a whole request, and for a reply to be taken
  };

  /// Listens when it returns.
  /// @throws ConfigError naming the address and the cure if it is none, or nobody can listen there
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
    std::int64_t refused = 0;  ///< any other status, or cut off
  };
  [[nodiscard]] Counts counts() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace softmoe::metrics
