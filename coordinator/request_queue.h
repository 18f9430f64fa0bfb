#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "coordinator/messages.h"

namespace softmoe::coordinator {

/// Requests of people on their way to rank 0, each once.
///
/// A request waits until a process of rank 0 is told of it, is then that process's, and is over
/// when the process says that it took it. One whose process went away before it said so is over
/// too: it may have been carried out, and a drain that happens twice is worse than one that is
/// asked for again.
class RequestQueue {
 public:
  struct Entry {
    NumberedRequest request;
    std::uint64_t told = 0;  ///< incarnation of rank 0 that was told of it; 0: nobody
  };

  /// The request that waits already and is the same, or nothing.
  [[nodiscard]] std::optional<NumberedRequest> find_waiting(budget::Request request) const;
  /// The number that the next request gets.
  [[nodiscard]] std::int64_t next_number() const { return newest_ + 1; }
  /// Takes a new one in, or one from the journal.
  void add(const NumberedRequest& request);
  /// The process was told.
  void note_told(std::int64_t number, std::uint64_t incarnation);
  void note_over(std::int64_t number);

  /// Requests that are over now that the process has taken those up to `held`.
  [[nodiscard]] std::vector<NumberedRequest> taken_by(std::uint64_t incarnation,
                                                      std::int64_t held) const;
  /// Requests told to other processes than this one.
  [[nodiscard]] std::vector<NumberedRequest> lost_with_others(std::uint64_t incarnation) const;
  /// Waiting requests whose numbers rank 0 takes for old ones: those of a journal that was lost.
  [[nodiscard]] std::vector<NumberedRequest> waiting_up_to(std::int64_t held) const;
  /// Those that the process is to be told of, ascending.
  [[nodiscard]] std::vector<Entry> to_tell(std::uint64_t incarnation, std::int64_t held) const;

  /// All that are not over, ascending.
  [[nodiscard]] std::vector<NumberedRequest> pending() const;
  /// Numbers up to this one are used.
  void skip_to(std::int64_t number);

 private:
  std::vector<Entry> entries_;
  std::int64_t newest_ = 0;
};

}  // namespace softmoe::coordinator
