#pragma once

#include <gmock/gmock.h>

#include "coordinator/refusal.h"

namespace softmoe::coordinator {

/// Matches an action that throws Refused for `reason` with words that match.
template <class MessageMatcher>
auto IsRefused(Reason reason, MessageMatcher message) {
  return testing::Throws<Refused>(
      testing::AllOf(testing::Property("reason", &Refused::reason, reason),
                     testing::Property("message", &Refused::what, message)));
}

inline auto IsRefused(Reason reason) {
  return IsRefused(reason, testing::_);
}

}  // namespace softmoe::coordinator
