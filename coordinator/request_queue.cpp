#include "coordinator/request_queue.h"

#include <algorithm>

namespace softmoe::coordinator {
namespace {

std::vector<NumberedRequest> requests_of(const std::vector<RequestQueue::Entry>& entries,
                                         const auto& is_wanted) {
  std::vector<NumberedRequest> found;
  for (const RequestQueue::Entry& entry : entries) {
    if (is_wanted(entry)) found.push_back(entry.request);
  }
  return found;
}

}  // namespace

std::optional<NumberedRequest> RequestQueue::find_waiting(budget::Request request) const {
  for (const Entry& entry : entries_) {
    if (entry.told == 0 && entry.request.request == request) return entry.request;
  }
  return std::nullopt;
}

void RequestQueue::add(const NumberedRequest& request) {
  entries_.push_back({request, 0});
  skip_to(request.number);
}

void RequestQueue::note_told(std::int64_t number, std::uint64_t incarnation) {
  for (Entry& entry : entries_) {
    if (entry.request.number == number) entry.told = incarnation;
  }
}

void RequestQueue::note_over(std::int64_t number) {
  std::erase_if(entries_, [&](const Entry& entry) { return entry.request.number == number; });
}

std::vector<NumberedRequest> RequestQueue::taken_by(std::uint64_t incarnation,
                                                    std::int64_t held) const {
  return requests_of(entries_, [&](const Entry& entry) {
    return entry.told == incarnation && entry.request.number <= held;
  });
}

std::vector<NumberedRequest> RequestQueue::lost_with_others(std::uint64_t incarnation) const {
  return requests_of(
      entries_, [&](const Entry& entry) { return entry.told != 0 && entry.told != incarnation; });
}

std::vector<NumberedRequest> RequestQueue::waiting_up_to(std::int64_t held) const {
  return requests_of(entries_, [&](const Entry& entry) {
    return entry.told == 0 && entry.request.number <= held;
  });
}

std::vector<RequestQueue::Entry> RequestQueue::to_tell(std::uint64_t incarnation,
                                                       std::int64_t held) const {
  std::vector<Entry> wanted;
  for (const Entry& entry : entries_) {
    const bool is_theirs = entry.told == 0 || entry.told == incarnation;
    if (is_theirs && entry.request.number > held) wanted.push_back(entry);
  }
  return wanted;
}

std::vector<NumberedRequest> RequestQueue::pending() const {
  return requests_of(entries_, [](const Entry&) { return true; });
}

void RequestQueue::skip_to(std::int64_t number) {
  newest_ = std::max(newest_, number);
}

}  // namespace softmoe::coordinator
