#include "runtime/device/stream.h"

#include <cstring>

namespace softmoe {

Stream::Stream(Device& device, StreamPriority priority)
    : device_(&device), schedule_(device.schedule()), accelerator_(device.accelerator()) {
  if (accelerator_ != nullptr) handle_ = accelerator_->create_stream(priority);
}

Stream::~Stream() {
  if (accelerator_ != nullptr) accelerator_->destroy_stream(handle_);
}

void Stream::copy(void* target, const void* source, Bytes size, CopyDirection direction) {
  if (size.value == 0) return;
  if (accelerator_ != nullptr) {
    accelerator_->copy(target, source, size, direction, handle_);
    return;
  }
  run([=] { std::memcpy(target, source, static_cast<std::size_t>(size.value)); });
}

void Stream::record(Event& event) const {
  event.ticket_ = last_;
  if (accelerator_ == nullptr) return;
  if (event.handle_ == nullptr) {
    event.accelerator_ = accelerator_;
    event.handle_ = accelerator_->create_event();
  }
  accelerator_->record(event.handle_, handle_);
}

void Stream::wait_for(const Event& event) {
  if (schedule_ != nullptr) edges_.push_back(event.ticket_);
  if (event.handle_ != nullptr) accelerator_->wait_for(handle_, event.handle_);
}

void Stream::host_wait(const Event& event) const {
  if (schedule_ != nullptr) schedule_->run_until(event.ticket_);
  if (event.handle_ != nullptr) accelerator_->host_wait(event.handle_);
}

void Stream::synchronize() const {
  if (schedule_ != nullptr) schedule_->run_until(last_);
  if (accelerator_ != nullptr) accelerator_->synchronize(handle_);
}

void Stream::hold(std::function<void()> work) {
  std::vector<Schedule::Ticket> after = std::exchange(edges_, {});
  after.push_back(last_);
  last_ = schedule_->hold(std::move(work), std::move(after));
}

void join(const Stream& earlier, Stream& later) {
  Event reached;
  earlier.record(reached);
  later.wait_for(reached);
}

}  // namespace softmoe
