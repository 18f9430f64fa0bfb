#include "bench/row_counts.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <numeric>

#include "runtime/base/errors.h"

namespace softmoe::bench {

namespace {

constexpr std::array<std::string_view, 5> kNames = {"balanced", "zipf", "hot_rank", "idle_rank",
                                                    "gaps"};

/// Weight of each cell for the rows of `source`.
std::vector<double> weights_of(const RowLoad& load, std::int64_t source) {
  const std::int64_t cells = load.cells();
  std::vector<double> weight_C(static_cast<std::size_t>(cells), 1.0);
  const auto weigh = [&](auto weight) {
    for (std::int64_t c = 0; c < cells; ++c) weight_C[static_cast<std::size_t>(c)] = weight(c);
  };
  switch (load.spread) {
    case Spread::balanced:
      break;
    case Spread::zipf: {
      // A step without a common divisor visits every cell once, so that neighbours are unlike.
      std::int64_t step = cells * 5 / 8 + 1;
      while (std::gcd(step, cells) != 1) ++step;
      weigh([&](std::int64_t c) { return 1.0 / static_cast<double>(c * step % cells + 1); });
      break;
    }
    case Spread::hot_rank: {
      const std::int64_t hot = load.ranks / 2;
      const auto share = static_cast<double>(std::max(load.ranks - 1, 1));
      weigh([&](std::int64_t c) { return c / load.cells_per_rank == hot ? share : 1.0; });
      break;
    }
    case Spread::idle_rank:
      if (load.ranks > 1 && source == load.ranks - 1) weigh([](std::int64_t) { return 0.0; });
      break;
    case Spread::gaps:
      weigh([&](std::int64_t c) { return c % 5 != 4 && (c + source) % 3 == 0 ? 1.0 : 0.0; });
      break;
  }
  return weight_C;
}

/// Deals rows by weight, none over the limit of a cell, and what rounding leaves one by one from
/// cell `first` on.
class Dealer {
 public:
  Dealer(std::vector<double> weight_C, std::span<std::int32_t> count_C, std::int64_t limit)
      : weight_C_(std::move(weight_C)), count_C_(count_C), limit_(limit) {}

  void deal(std::int64_t rows, std::int64_t first) {
    while (rows > 0) {
      const std::int64_t dealt = deal_shares(rows);
      rows -= dealt;
      if (dealt > 0) continue;
      const std::int64_t single = deal_singles(rows, static_cast<std::size_t>(first));
      if (single == 0) return;
      rows -= single;
    }
  }

 private:
  [[nodiscard]] bool is_open(std::size_t c) const {
    return weight_C_[c] > 0 && count_C_[c] < limit_;
  }

  std::int64_t deal_shares(std::int64_t rows) {
    double total = 0;
    for (std::size_t c = 0; c < count_C_.size(); ++c) total += is_open(c) ? weight_C_[c] : 0;
    std::int64_t dealt = 0;
    for (std::size_t c = 0; c < count_C_.size(); ++c) {
      if (!is_open(c)) continue;
      const auto share =
          static_cast<std::int64_t>(static_cast<double>(rows) * weight_C_[c] / total);
      const std::int64_t taken = std::min({share, limit_ - count_C_[c], rows - dealt});
      count_C_[c] += static_cast<std::int32_t>(taken);
      dealt += taken;
    }
    return dealt;
  }

  std::int64_t deal_singles(std::int64_t rows, std::size_t first) {
    std::int64_t dealt = 0;
    for (std::size_t i = 0; i < count_C_.size() && dealt < rows; ++i) {
      const std::size_t c = (first + i) % count_C_.size();
      if (!is_open(c)) continue;
      ++count_C_[c];
      ++dealt;
    }
    return dealt;
  }

  std::vector<double> weight_C_;
  std::span<std::int32_t> count_C_;
  std::int64_t limit_;
};

}  // namespace

std::span<const std::string_view> spread_names() {
  return kNames;
}

Spread spread_of(std::string_view name) {
  const auto* const found = std::find(kNames.begin(), kNames.end(), name);
  if (found == kNames.end())
    throw InvalidArgument(
        fmt::format("no spread of rows is called {}; there are {}", name, fmt::join(kNames, ", ")));
  return static_cast<Spread>(found - kNames.begin());
}

std::vector<std::int32_t> make_row_counts(const RowLoad& load) {
  const std::int64_t cells = load.cells();
  std::vector<std::int32_t> count_PC(static_cast<std::size_t>(load.ranks * cells));
  for (std::int64_t source = 0; source < load.ranks; ++source) {
    const std::span<std::int32_t> count_C = std::span(count_PC).subspan(
        static_cast<std::size_t>(source * cells), static_cast<std::size_t>(cells));
    // Ranks begin at different cells, so that what is left over spreads too.
    Dealer(weights_of(load, source), count_C, load.tokens)
        .deal(load.rows, source * load.rows % cells);
  }
  return count_PC;
}

RowTotals::RowTotals(const RowLoad& load, std::span<const std::int32_t> count_PC)
    : ranks_(load.ranks), rows_PP_(static_cast<std::size_t>(load.ranks * load.ranks)) {
  const std::int64_t cells = load.cells();
  for (std::int64_t i = 0; i < std::ssize(count_PC); ++i) {
    const std::int64_t target = i % cells / load.cells_per_rank;
    rows_PP_[static_cast<std::size_t>(i / cells * ranks_ + target)] +=
        count_PC[static_cast<std::size_t>(i)];
  }
  for (int rank = 0; rank < ranks_; ++rank) {
    std::int64_t sent = 0;
    std::int64_t received = 0;
    for (int peer = 0; peer < ranks_; ++peer) {
      if (peer == rank) continue;
      sent += between(rank, peer);
      received += between(peer, rank);
    }
    off_rank_ += sent;
    busiest_ = std::max({busiest_, sent, received});
  }
}

}  // namespace softmoe::bench
