#pragma once

#include <array>
#include <cstdint>
#include <random>
#include <string>

namespace softmoe::metrics {

/// Bytes that are requests, nearly requests, or no requests at all; by a seed.
class RandomRequests {
 public:
  explicit RandomRequests(std::uint32_t seed) : random_(seed) {}

  std::string next() {
    const bool begins_well = below(4) > 0;
    std::string bytes;
    if (begins_well) {
      bytes = pick({"GET ", "HEAD ", "POST "}) + pick({"/metrics", "/", "/metrics?a=b", "/sd"}) +
              pick({" HTTP/1.1\r\n", " HTTP/1.0\r\n"});
    }
    for (int pieces = below(6); pieces > 0; --pieces)
      bytes += begins_well && below(8) > 0 ? pick(kHeaders) : pick(kPieces);
    if (begins_well) bytes += "\r\n";
    for (int changes = below(4) - 1; changes > 0 && !bytes.empty(); --changes) change(bytes);
    return bytes;
  }
  /// A number from 0 to limit - 1.
  int below(std::size_t limit) { return static_cast<int>(random_() % limit); }

 private:
  template <std::size_t count>
  using Texts = std::array<const char*, count>;

  static constexpr Texts<9> kHeaders = {"Host: a\r\n",
                                        "Connection: close\r\n",
                                        "Connection: keep-alive, upgrade\r\n",
                                        "Content-Length: 0\r\n",
                                        "Content-Length: 7\r\n",
                                        "Transfer-Encoding: chunked\r\n",
                                        "Expect: 100-continue\r\n",
                                        "Upgrade: h2c\r\n",
                                        "Accept: */*\r\n"};
  static constexpr Texts<16> kPieces = {
      "GET ",
      "HEAD ",
      "/metrics",
      " HTTP/1.1\r\n",
      "\r\n",
      "\r\n\r\n",
      "A:",
      " folded\r\n",
      "\t",
      "?",
      "%00",
      ":",
      "\n",
      "\r",
      "\x16\x03",
      "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};

  template <std::size_t count>
  std::string pick(const Texts<count>& texts) {
    return texts[static_cast<std::size_t>(below(count))];
  }
  template <std::size_t count>
  std::string pick(const char* const (&texts)[count]) {
    return texts[below(count)];
  }

  void change(std::string& bytes) {
    const auto at = static_cast<std::size_t>(below(bytes.size()));
    switch (below(3)) {
      case 0:
        bytes[at] = static_cast<char>(random_());
        break;
      case 1:
        bytes.erase(at, 1);
        break;
      default:
        bytes.insert(at, 1, static_cast<char>(random_()));
    }
  }

  std::mt19937 random_;
};

}  // namespace softmoe::metrics
