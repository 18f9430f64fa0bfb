#include "training/corpus/corpus_split.h"

#include <fmt/format.h>

#include <algorithm>

#include "runtime/base/errors.h"
#include "tokenizer/fingerprint.h"

namespace softmoe::training {
namespace {

constexpr std::uint64_t kSplitSalt = 0x73706c6974ULL;

}  // namespace

double scatter(std::string_view name, std::uint64_t salt) {
  // FNV-1a hardly stirs its high bits by the last characters, where names differ; the finisher of
  // SplitMix64 (Steele, Lea, Flood, OOPSLA 2014) does.
  std::uint64_t word = tokenizer::fingerprint(name) + salt * 0x9e3779b97f4a7c15ULL;
  word = (word ^ (word >> 30)) * 0xbf58476d1ce4e5b9ULL;
  word = (word ^ (word >> 27)) * 0x94d049bb133111ebULL;
  word ^= word >> 31;
  return static_cast<double>(word >> 11) * 0x1p-53;
}

std::vector<Split> split_documents(std::span<const std::string> names, double fraction) {
  if (names.size() < 2) {
    throw InvalidArgument(fmt::format("cannot split {} document(s) in two", names.size()));
  }
  if (!(fraction > 0 && fraction < 1)) {
    throw InvalidArgument(
        fmt::format("the validation fraction is {}, but it lies between 0 and 1", fraction));
  }
  std::vector<double> place;
  for (const std::string& name : names) place.push_back(scatter(name, kSplitSalt));
  std::vector<Split> splits;
  for (const double at : place) splits.push_back(at < fraction ? Split::validation : Split::train);

  const auto [lowest, highest] = std::minmax_element(place.begin(), place.end());
  splits[static_cast<std::size_t>(lowest - place.begin())] = Split::validation;
  splits[static_cast<std::size_t>(highest - place.begin())] = Split::train;
  return splits;
}

}  // namespace softmoe::training
