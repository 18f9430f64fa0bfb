#pragma once

#include <gmock/gmock.h>

#include "runtime/base/errors.h"

namespace softmoe {

/// Matches an action that throws a StorageError of `kind` whose message matches `message`, as in
/// EXPECT_THAT([&] { read(); }, FailsWith(StorageError::Kind::missing, HasSubstr("x.bin"))).
template <class MessageMatcher>
auto FailsWith(StorageError::Kind kind, MessageMatcher message) {
  return testing::Throws<StorageError>(
      testing::AllOf(testing::Property("kind", &StorageError::kind, kind),
                     testing::Property("message", &StorageError::what, message)));
}

}  // namespace softmoe
