#pragma once

#include <gmock/gmock.h>

#include "tokenizer/failure.h"

namespace softmoe::tokenizer {

/// Matches an action that throws a Failure of `code` whose message matches `message`.
template <class MessageMatcher>
auto FailsWith(ExitCode code, MessageMatcher message) {
  return testing::Throws<Failure>(
      testing::AllOf(testing::Property("code", &Failure::code, code),
                     testing::Property("message", &Failure::what, message)));
}

}  // namespace softmoe::tokenizer
