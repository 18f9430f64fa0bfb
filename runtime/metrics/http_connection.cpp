#include "runtime/metrics/http_connection.h"

#include <fmt/format.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <array>
#include <boost/asio/write.hpp>
#include <utility>

namespace softmoe::metrics {
namespace {

namespace asio = boost::asio;
using Error = boost::system::error_code;

constexpr int kSendBuffer = 128 * 1024;
// A client that still sends when the connection ends would lose the reply to a reset.
constexpr std::size_t kMostDiscarded = std::size_t{256} * 1024;

HttpPage words(int status) {
  return {.status = status,
          .body = std::make_shared<const std::string>(fmt::format("{}\n", status_line(status)))};
}

HttpPage page_for(const HttpServer::Options& options, const HttpRequest& request) {
  if (request.state == HttpRequest::State::refused) return words(request.status);
  const auto handler = options.pages.find(request.path);
  if (handler == options.pages.end()) return words(404);
  try {
    return handler->second();
  } catch (...) {
    return words(500);
  }
}

std::string head_of(const HttpPage& page, bool keep_alive) {
  return fmt::format(
      "HTTP/1.1 {}\r\n"
      "Content-Type: {}\r\n"
      "Content-Length: {}\r\n"
      "Cache-Control: no-store\r\n"
      "X-Content-Type-Options: nosniff\r\n"
      "{}"
      "Connection: {}\r\n\r\n",
      status_line(page.status), page.content_type, page.body ? page.body->size() : 0,
      page.status == 405 ? "Allow: GET, HEAD\r\n" : "", keep_alive ? "keep-alive" : "close");
}

}  // namespace

bool HttpService::close_longest_waiting() {
  std::shared_ptr<HttpConnection> longest;
  for (const auto& connection : open) {
    if (connection->is_answered()) continue;
    if (!longest || connection->waiting_since() < longest->waiting_since()) longest = connection;
  }
  if (longest) longest->close();
  return longest != nullptr;
}

HttpConnection::HttpConnection(HttpService& service, asio::ip::tcp::socket socket)
    : service_(service),
      socket_(std::move(socket)),
      deadline_(socket_.get_executor()),
      buffer_(service.options.max_request_bytes) {}

void HttpConnection::start() {
  Error ignored;
  socket_.set_option(asio::ip::tcp::no_delay(true), ignored);
  // The system takes no more than this on behalf of a client, so a reply that is written is taken
  // but for as much.
  socket_.set_option(asio::socket_base::send_buffer_size(kSendBuffer), ignored);
  set_deadline(service_.options.patience);
  read();
}

void HttpConnection::close() {
  const auto keep_until_the_end = shared_from_this();
  if (service_.open.erase(keep_until_the_end) == 0) return;
  Error ignored;
  if (phase_ == Phase::reading || phase_ == Phase::answering) ++service_.refused;
  socket_.close(ignored);
  deadline_.cancel();
}

void HttpConnection::set_deadline(std::chrono::milliseconds limit) {
  deadline_.expires_after(limit);
  deadline_.async_wait([weak = weak_from_this()](const Error& error) {
    const auto self = weak.lock();
    // A new deadline may have been set while this call was on its way.
    if (error || !self || self->deadline_.expiry() > Clock::now()) return;
    self->reset_if_unsent();
    self->close();
  });
}

void HttpConnection::reset_if_unsent() {
  int unsent = 0;
  const bool is_all_sent = ::ioctl(socket_.native_handle(), SIOCOUTQ, &unsent) != 0 || unsent == 0;
  if (is_all_sent) return;
  Error ignored;
  socket_.set_option(asio::socket_base::linger(true, 0), ignored);
}

void HttpConnection::read() {
  socket_.async_read_some(asio::buffer(buffer_.data() + filled_, buffer_.size() - filled_),
                          [self = shared_from_this()](const Error& error, std::size_t count) {
                            if (error) return self->close();
                            self->filled_ += count;
                            self->look_at_bytes();
                          });
}

void HttpConnection::look_at_bytes() {
  if (phase_ == Phase::waiting) {
    phase_ = Phase::reading;
    set_deadline(service_.options.patience);
  }
  const HttpRequest request = parse_request({buffer_.data(), filled_}, buffer_.size(), searched_);
  if (request.state != HttpRequest::State::incomplete) return answer(request);
  searched_ = filled_;
  read();
}

void HttpConnection::answer(const HttpRequest& request) {
  phase_ = Phase::answering;
  set_deadline(service_.options.patience);
  send(page_for(service_.options, request), request);
}

void HttpConnection::send(const HttpPage& page, const HttpRequest& request) {
  reply_head_ = head_of(page, request.keep_alive);
  reply_body_ = request.state == HttpRequest::State::head ? nullptr : page.body;
  const std::array<asio::const_buffer, 2> reply = {
      asio::buffer(reply_head_), reply_body_ ? asio::buffer(*reply_body_) : asio::const_buffer()};
  asio::async_write(
      socket_, reply,
      [self = shared_from_this(), status = page.status, keep_alive = request.keep_alive,
       size = request.size](const Error& error, std::size_t) {
        if (error) return self->close();
        self->after_reply(status, keep_alive, size);
      });
}

void HttpConnection::after_reply(int status, bool keep_alive, std::size_t request_size) {
  ++(status == 200 ? service_.served : service_.refused);
  reply_body_.reset();
  if (!keep_alive) return leave();
  std::copy(buffer_.data() + request_size, buffer_.data() + filled_, buffer_.data());
  filled_ -= request_size;
  searched_ = 0;
  waiting_since_ = Clock::now();
  phase_ = Phase::waiting;
  if (filled_ > 0) return look_at_bytes();
  set_deadline(service_.options.idle);
  read();
}

void HttpConnection::leave() {
  phase_ = Phase::leaving;
  waiting_since_ = Clock::now();
  Error error;
  socket_.shutdown(asio::ip::tcp::socket::shutdown_send, error);
  if (error) return close();
  // The deadline of the reply stands: until then the client may take what the system holds of it.
  discard(kMostDiscarded);
}

void HttpConnection::discard(std::size_t budget) {
  socket_.async_read_some(asio::buffer(buffer_), [self = shared_from_this(), budget](
                                                     const Error& error, std::size_t count) {
    if (error || count >= budget) return self->close();
    self->discard(budget - count);
  });
}

}  // namespace softmoe::metrics
