#include "runtime/device/stream.h"

namespace softmoe {

void Stream::wait_for(const Event& event) {
  if (schedule_ != nullptr) edges_.push_back(event.ticket_);
}

void Stream::host_wait(const Event& event) const {
  if (schedule_ != nullptr) schedule_->run_until(event.ticket_);
}

void Stream::synchronize() const {
  if (schedule_ != nullptr) schedule_->run_until(last_);
}

void Stream::hold(std::function<void()> work) {
  std::vector<Schedule::Ticket> after = std::exchange(edges_, {});
  after.push_back(last_);
  last_ = schedule_->hold(std::move(work), std::move(after));
}

}  // namespace softmoe
