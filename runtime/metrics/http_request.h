#pragma once

// What the bytes at the front of a connection ask for.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace softmoe::metrics {

/// The head of a request, or why it is none.
struct HttpRequest {
  enum class State : std::uint8_t {
    incomplete,  ///< more bytes are needed; nothing else is set
    get,
    head,
    refused,  ///< by `status`; what follows these bytes is not to be read
  };
  State state = State::incomplete;
  int status = 0;           ///< of a refusal: 400, 405, 413 (a body), 414, 431
  std::string path;         ///< without the query
  bool keep_alive = false;  ///< the client waits for no end of the connection
  std::size_t size = 0;     ///< bytes of the head; the next request begins behind them
};

/// Reads a head from the front of `bytes` and never looks behind it. Never throws but bad_alloc.
/// @param max_bytes  of a head, its empty line included; longer ones are refused
/// @param searched   bytes that an earlier call found to be incomplete: 0, or the size it was given
[[nodiscard]] HttpRequest parse_request(std::string_view bytes, std::size_t max_bytes,
                                        std::size_t searched = 0);

/// "404 Not Found"; of a status that the listener gives.
[[nodiscard]] std::string_view status_line(int status);

}  // namespace softmoe::metrics
