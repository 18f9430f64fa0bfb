#pragma once

// Messages drawn at random, each within what may travel.

#include <random>

#include "coordinator/messages.h"
#include "coordinator/wire.h"

namespace softmoe::coordinator {

class RandomMessage {
 public:
  explicit RandomMessage(std::uint64_t seed) : random_(seed) {}

  /// A message of the kind.
  template <class Message>
  Message draw();

  [[nodiscard]] std::int64_t integer(std::int64_t min, std::int64_t max);
  [[nodiscard]] double number();
  [[nodiscard]] bool coin() { return integer(0, 1) == 1; }
  [[nodiscard]] std::string text(int max_bytes);
  [[nodiscard]] std::string address();  ///< host:port, or empty

  [[nodiscard]] RunIdentity run();
  [[nodiscard]] RankProcess process();
  [[nodiscard]] Progress::Place place();
  [[nodiscard]] budget::Temperature temperature();
  [[nodiscard]] budget::SetPoints set_points();
  [[nodiscard]] std::vector<budget::SetPointChange> changes();
  [[nodiscard]] budget::ControlWord word();
  [[nodiscard]] AuditedRecord record();
  [[nodiscard]] budget::Request request();
  [[nodiscard]] std::vector<double> by_layer();
  [[nodiscard]] std::vector<NumberedRequest> requests();

 private:
  std::mt19937_64 random_;
};

}  // namespace softmoe::coordinator
