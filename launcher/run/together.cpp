#include "launcher/run/together.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "parallel/reduce.h"

namespace softmoe::launcher {

namespace {

/// The inverse of exit_code_of().
[[noreturn]] void throw_error(ExitCode code, const std::string& message) {
  using Kind = StorageError::Kind;
  switch (code) {
    case ExitCode::input_missing:
      throw StorageError(Kind::missing, message);
    case ExitCode::bad_data:
      throw StorageError(Kind::bad_format, message);
    case ExitCode::cannot_write:
      throw StorageError(Kind::cannot_write, message);
    case ExitCode::io:
      throw StorageError(Kind::io, message);
    default:
      throw ConfigError(message);
  }
}

}  // namespace

void agree(const std::optional<Refusal>& mine, RankSession& session) {
  parallel::Communicator& world = session.world();
  Stream& stream = session.work().exchange;
  // By rank: 0 where all is well, else the length of the message and one.
  std::vector<std::int64_t> refused_W(static_cast<std::size_t>(world.size()));
  const auto rank = static_cast<std::size_t>(world.rank().value);
  if (mine) refused_W[rank] = std::ssize(mine->message) + 1;
  parallel::all_reduce_sum_on_host(std::span(refused_W), world, stream);
  const auto first = std::find_if(refused_W.begin(), refused_W.end(),
                                  [](std::int64_t length) { return length > 0; });
  if (first == refused_W.end()) return;

  const Rank source(static_cast<int>(first - refused_W.begin()));
  ExitCode code = mine ? mine->code : ExitCode::configuration;
  std::string message = mine ? mine->message : "";
  message.resize(static_cast<std::size_t>(*first - 1));
  parallel::broadcast_on_host(std::as_writable_bytes(std::span(&code, 1)), source, world, stream);
  parallel::broadcast_on_host(std::as_writable_bytes(std::span(message)), source, world, stream);
  // See fail_after_root().
  if (!session.is_root()) std::this_thread::sleep_for(kOthersFirst);
  throw_error(code,
              source == Rank(0) ? message : fmt::format("rank {}: {}", source.value, message));
}

}  // namespace softmoe::launcher
