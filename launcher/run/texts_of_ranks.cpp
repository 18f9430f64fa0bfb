#include "launcher/run/texts_of_ranks.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>

#include "parallel/reduce.h"

namespace softmoe::launcher {

std::vector<std::string> texts_of_ranks(const std::string& mine, RankSession& session) {
  parallel::Communicator& world = session.world();
  Stream& stream = session.work().exchange;
  const auto num_ranks = static_cast<std::size_t>(world.size());
  const auto rank = static_cast<std::size_t>(world.rank().value);
  std::vector<std::int64_t> length_W(num_ranks);
  length_W[rank] = std::ssize(mine);
  parallel::all_reduce_sum_on_host(std::span(length_W), world, stream);
  const auto room = static_cast<std::size_t>(*std::max_element(length_W.begin(), length_W.end()));
  if (room == 0) return std::vector<std::string>(num_ranks);

  std::string all(num_ranks * room, '\0');
  mine.copy(all.data() + rank * room, room);
  const View<std::byte> bytes(reinterpret_cast<std::byte*>(all.data()), std::ssize(all));
  const auto begin = static_cast<std::int64_t>(rank * room);
  world.all_gather(bytes.part(begin, begin + static_cast<std::int64_t>(room)), bytes, stream);
  stream.synchronize();
  std::vector<std::string> texts_W;
  for (std::size_t other = 0; other < num_ranks; ++other) {
    texts_W.push_back(all.substr(other * room, static_cast<std::size_t>(length_W[other])));
  }
  return texts_W;
}

std::string host_name() {
  std::array<char, 256> name = {};
  return gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "";
}

}  // namespace softmoe::launcher
