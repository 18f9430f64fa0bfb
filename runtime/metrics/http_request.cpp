#include "runtime/metrics/http_request.h"

#include <algorithm>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <limits>

namespace softmoe::metrics {
namespace {

namespace http = boost::beast::http;

constexpr std::string_view kEndOfHead = "\r\n\r\n";

HttpRequest refused(int status) {
  return {.state = HttpRequest::State::refused, .status = status};
}

/// Whether a head may begin so. Whoever speaks something else, TLS say, hears so at once instead of
/// when patience ends.
bool may_begin_a_head(std::string_view bytes) {
  return bytes.empty() || (bytes.front() >= 'A' && bytes.front() <= 'Z');
}

/// Whether every line ends as lines of HTTP do, as far as one can see. Other readers end a line at
/// \n alone or at \r alone; nobody shall see another request than we do.
bool has_whole_line_ends(std::string_view bytes) {
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (bytes[i] == '\0') return false;
    if (bytes[i] == '\n' && (i == 0 || bytes[i - 1] != '\r')) return false;
    if (bytes[i] == '\r' && i + 1 < bytes.size() && bytes[i + 1] != '\n') return false;
  }
  return true;
}

HttpRequest request_of(std::string_view head) {
  http::request_parser<http::empty_body> parser;
  parser.header_limit(static_cast<std::uint32_t>(head.size()) + 1);
  parser.body_limit(std::numeric_limits<std::uint64_t>::max());  // refused below, by its own status
  boost::system::error_code error;
  parser.put(boost::asio::buffer(head.data(), head.size()), error);
  if (error || !parser.is_header_done()) return refused(400);

  const http::request_header<>& header = parser.get();
  const bool is_get = header.method() == http::verb::get;
  if (!is_get && header.method() != http::verb::head) return refused(405);
  // A body would have to be read to find the next request, so there is none.
  // The parser has made sure that a length is digits.
  const auto length = header[http::field::content_length];
  const bool has_body = parser.chunked() || header.count(http::field::transfer_encoding) > 0 ||
                        length.find_first_not_of('0') != length.npos;
  if (has_body) return refused(413);
  const std::string_view target(header.target().data(), header.target().size());
  return {.state = is_get ? HttpRequest::State::get : HttpRequest::State::head,
          .path = std::string(target.substr(0, target.find('?'))),
          .keep_alive = parser.keep_alive(),
          .size = head.size()};
}

}  // namespace

HttpRequest parse_request(std::string_view bytes, std::size_t max_bytes, std::size_t searched) {
  const std::string_view within = bytes.substr(0, max_bytes);
  if (!may_begin_a_head(within)) return refused(400);
  // The end may have begun in the three bytes before.
  const std::size_t from = searched - std::min(searched, kEndOfHead.size() - 1);
  const std::size_t end = within.find(kEndOfHead, from);
  const std::string_view head =
      end == std::string_view::npos ? within : within.substr(0, end + kEndOfHead.size());
  if (!has_whole_line_ends(head)) return refused(400);
  if (end != std::string_view::npos) return request_of(head);
  if (bytes.size() < max_bytes) return {};
  return refused(within.find("\r\n") == std::string_view::npos ? 414 : 431);
}

std::string_view status_line(int status) {
  switch (status) {
    case 200:
      return "200 OK";
    case 400:
      return "400 Bad Request";
    case 404:
      return "404 Not Found";
    case 405:
      return "405 Method Not Allowed";
    case 413:
      return "413 Content Too Large";
    case 414:
      return "414 URI Too Long";
    case 431:
      return "431 Request Header Fields Too Large";
    case 503:
      return "503 Service Unavailable";
    default:
      return "500 Internal Server Error";
  }
}

}  // namespace softmoe::metrics
