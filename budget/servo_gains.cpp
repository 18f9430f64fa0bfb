#include "budget/servo_gains.h"

#include <fmt/core.h>

#include "runtime/base/errors.h"

namespace softmoe::budget {
namespace {

[[noreturn]] void refuse_delay(int delay) {
  throw InvalidArgument(
      fmt::format("the servo has no gains for a delay of {} steps; derived are 1 and 2", delay));
}

}  // namespace

ServoGains gains_for(int delay) {
  switch (delay) {
    case 1:
      return {.delay = 1, .newton = 0.5, .debt = 0.1};
    case 2:
      return {.delay = 2, .newton = 0.25, .debt = 0.05};
    default:
      refuse_delay(delay);
  }
}

double max_stable_gain_ratio(const ServoGains& gains) {
  switch (gains.delay) {
    case 1:
      return 4.0 / (gains.newton * (2.0 + gains.debt));
    case 2:
      return (1.0 - gains.debt) / gains.newton;
    default:
      refuse_delay(gains.delay);
  }
}

}  // namespace softmoe::budget
