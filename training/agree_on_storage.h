#pragma once

#include <optional>

#include "parallel/communicator.h"
#include "runtime/base/errors.h"

namespace softmoe::training {

/// The StorageError of `action`, or nothing if it went well. Other exceptions pass through.
template <class Action>
[[nodiscard]] std::optional<StorageError> attempt(Action&& action) {
  try {
    action();
    return std::nullopt;
  } catch (const StorageError& error) {
    return error;
  }
}

/// Lets a step with files go well, or fail, on all ranks together: nobody goes on with what another
/// rank could not read, and nobody waits for a rank that gave up.
///
/// Every rank of `world` makes the call. @param mine what went wrong here.
/// @param stream  of the processor
/// @throws on all ranks the error of the lowest rank that has one, its rank named if W > 1.
void agree_on_storage(const std::optional<StorageError>& mine, parallel::Communicator& world,
                      Stream& stream);

}  // namespace softmoe::training
