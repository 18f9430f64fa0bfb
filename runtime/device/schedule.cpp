#include "runtime/device/schedule.h"

#include <algorithm>
#include <utility>

#include "runtime/base/errors.h"

namespace softmoe {

Schedule::Ticket Schedule::hold(std::function<void()> work, std::vector<Ticket> after) {
  held_.push_back({++last_, std::move(work), std::move(after)});
  return last_;
}

void Schedule::run_until(Ticket ticket) {
  std::vector<std::size_t> ready;
  while (!is_done(ticket)) {
    ready.clear();
    for (std::size_t i = 0; i < held_.size(); ++i) {
      if (may_run(held_[i])) ready.push_back(i);
    }
    expect(!ready.empty(), "held work never waits for itself");
    const std::size_t drawn = ready[draw() % ready.size()];
    // Its ticket stays in held_ while it runs, so nothing that waits for it can start inside it. It
    // leaves also if it throws, as it would be over had it run at once.
    const std::function<void()> work = std::move(held_[drawn].work);
    const auto leave = [&] { held_.erase(held_.begin() + static_cast<std::ptrdiff_t>(drawn)); };
    try {
      work();
    } catch (...) {
      leave();
      throw;
    }
    leave();
  }
}

bool Schedule::is_done(Ticket ticket) const {
  return std::none_of(held_.begin(), held_.end(),
                      [&](const Item& item) { return item.ticket == ticket; });
}

bool Schedule::may_run(const Item& item) const {
  return std::all_of(item.after.begin(), item.after.end(), [&](Ticket t) { return is_done(t); });
}

std::uint64_t Schedule::draw() {
  // splitmix64: a well-mixed word from a counter.
  state_ += 0x9E3779B97F4A7C15ULL;
  std::uint64_t word = state_;
  word = (word ^ (word >> 30)) * 0xBF58476D1CE4E5B9ULL;
  word = (word ^ (word >> 27)) * 0x94D049BB133111EBULL;
  return word ^ (word >> 31);
}

}  // namespace softmoe
