#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>

#include "launcher/run/exit_code.h"
#include "launcher/run/rank_session.h"
#include "runtime/base/errors.h"

namespace softmoe::launcher {

/// How long a rank waits for one that has more to say. The launcher ends a job with the first rank
/// that fails, and takes its code.
inline constexpr std::chrono::seconds kOthersFirst{2};

/// Makes a collective call that fails on all ranks alike. If it does, rank 0 leaves first: it could
/// otherwise take the others' leaving for the error, while it still is in the call.
template <class Action>
void fail_after_root(RankSession& session, Action&& action) {
  try {
    action();
  } catch (const StorageError&) {
    if (!session.is_root()) std::this_thread::sleep_for(kOthersFirst);
    throw;
  }
}

/// What the user has to hear about, in a form that travels between ranks.
struct Refusal {
  ExitCode code = ExitCode::done;  ///< says which error it was
  std::string message;

  /// @param error  a ConfigError or StorageError
  explicit Refusal(const std::exception& error)
      : code(exit_code_of(error)), message(error.what()) {}
};

/// Every rank makes the call. @param mine what went wrong here, if anything did.
/// @throws on all ranks the error of the lowest rank that has one; a rank above 0 is named
void agree(const std::optional<Refusal>& mine, RankSession& session);

/// Does `action` on every rank and lets it go well, or fail, on all of them together: nobody goes
/// on with what another rank refused, nobody waits for a rank that gave up, and the user hears of
/// it once.
///
/// @param action  may differ by rank, and makes no collective call
/// @return what it returned here
/// @throws ConfigError or StorageError on all ranks if it threw one on any; other exceptions pass
///         through where they are thrown
template <class Action>
auto together(RankSession& session, Action&& action) {
  std::optional<std::invoke_result_t<Action>> result;
  std::optional<Refusal> refusal;
  try {
    result.emplace(action());
  } catch (const ConfigError& error) {
    refusal.emplace(error);
  } catch (const StorageError& error) {
    refusal.emplace(error);
  }
  agree(refusal, session);
  return std::move(*result);
}

}  // namespace softmoe::launcher
