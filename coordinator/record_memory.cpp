#include "coordinator/record_memory.h"

#include <algorithm>
#include <span>
#include <type_traits>
#include <vector>

#include "runtime/storage/crc32c.h"

namespace softmoe::coordinator {
namespace {

// As many as the line of a rank keeps to send again.
constexpr std::size_t kMaxKnown = 1024;
constexpr std::size_t kMaxIntervals = 31;

template <class T>
std::uint32_t added(std::uint32_t checksum, const std::vector<T>& list) {
  return storage::crc32c(std::as_bytes(std::span(list)), checksum);
}

template <class T>
std::uint32_t added(std::uint32_t checksum, const T& value) {
  static_assert(std::has_unique_object_representations_v<T> || sizeof(T) % sizeof(double) == 0,
                "no padding: equal values have equal bytes");
  return storage::crc32c(std::as_bytes(std::span(&value, 1)), checksum);
}

std::uint32_t checksum_of(const AuditedRecord& audited) {
  const budget::StepRecord& record = audited.record;
  std::uint32_t checksum = added(0, record.in_force);
  checksum = added(checksum, record.tokens);
  checksum = added(checksum, record.executed_L);
  checksum = added(checksum, record.gain_L);
  checksum = added(checksum, record.boundary_mass_L);
  checksum = added(checksum, record.soft_mass_L);
  return added(checksum, audited.before);
}

}  // namespace

bool RecordMemory::differs(const AuditedRecord& audited) const {
  const auto found =
      std::lower_bound(known_.begin(), known_.end(), audited.record.step(),
                       [](const Known& known, Step step) { return known.step < step; });
  return found != known_.end() && found->step == audited.record.step() &&
         found->checksum != checksum_of(audited);
}

void RecordMemory::remember(const AuditedRecord& audited) {
  known_.push_back({audited.record.step(), checksum_of(audited)});
  if (known_.size() > kMaxKnown) known_.pop_front();
}

void RecordMemory::forget_from(Step step) {
  while (!known_.empty() && known_.back().step >= step) known_.pop_back();
}

void RecordMemory::note_arrival(std::size_t num_records, TimePoint now) {
  if (arrived_) {
    const double each =
        std::chrono::duration<double>(now - *arrived_).count() / static_cast<double>(num_records);
    for (std::size_t i = 0; i < std::min(num_records, kMaxIntervals); ++i) {
      step_seconds_.push_back(each);
    }
    while (step_seconds_.size() > kMaxIntervals) step_seconds_.pop_front();
  }
  arrived_ = now;
}

double RecordMemory::median_step_seconds() const {
  if (step_seconds_.empty()) return 0.0;
  std::vector<double> sorted(step_seconds_.begin(), step_seconds_.end());
  const auto middle = sorted.begin() + static_cast<std::ptrdiff_t>(sorted.size() / 2);
  std::nth_element(sorted.begin(), middle, sorted.end());
  return *middle;
}

}  // namespace softmoe::coordinator
