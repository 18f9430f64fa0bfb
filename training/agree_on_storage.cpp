#include "training/agree_on_storage.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "parallel/reduce.h"

namespace softmoe::training {

void agree_on_storage(const std::optional<StorageError>& mine, parallel::Communicator& world,
                      Stream& stream) {
  if (world.size() == 1) {
    if (mine) throw *mine;
    return;
  }
  // By rank: 0 where all is well, else the length of the message and one.
  std::vector<std::int64_t> failed_W(static_cast<std::size_t>(world.size()));
  std::string message = mine ? mine->what() : "";
  if (mine) failed_W[static_cast<std::size_t>(world.rank().value)] = std::ssize(message) + 1;
  parallel::all_reduce_sum_on_host(std::span(failed_W), world, stream);
  const auto first = std::find_if(failed_W.begin(), failed_W.end(),
                                  [](std::int64_t length) { return length > 0; });
  if (first == failed_W.end()) return;

  const Rank source(static_cast<int>(first - failed_W.begin()));
  auto kind = mine ? mine->kind() : StorageError::Kind::io;
  message.resize(static_cast<std::size_t>(*first - 1));
  parallel::broadcast_on_host(std::as_writable_bytes(std::span(&kind, 1)), source, world, stream);
  parallel::broadcast_on_host(std::as_writable_bytes(std::span(message)), source, world, stream);
  throw StorageError(kind, fmt::format("rank {}: {}", source.value, message));
}

}  // namespace softmoe::training
