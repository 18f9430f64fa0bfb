#include "parallel/exact_sums.h"

#include "parallel/reduce.h"
#include "runtime/ops/elementwise.h"
#include "runtime/ops/exact_sum.h"

namespace softmoe::parallel {

namespace {

std::int64_t count(const std::vector<View<double>>& numbers) {
  std::int64_t count = 0;
  for (const View<double>& view : numbers) count += view.size();
  return count;
}

/// Calls body(numbers, their integers) for every view.
template <class Body>
void for_views(const std::vector<View<double>>& numbers, View<std::int64_t> integers,
               const Body& body) {
  std::int64_t begin = 0;
  for (const View<double>& view : numbers) {
    const std::int64_t end = begin + view.size() * ops::kExactIntegers;
    body(view, integers.part(begin, end));
    begin = end;
  }
}

void zero(const View<double>& numbers, Stream& stream) {
  ops::fill_zero({numbers, Shape{numbers.size()}}, stream);
}

}  // namespace

ExactSums::ExactSums(std::vector<View<double>> numbers, Device& device)
    : numbers_(std::move(numbers)),
      integers_(device, Bytes(count(numbers_) * ops::kExactIntegers * size_of(DType::i64))) {}

void ExactSums::begin(Stream& stream) {
  const View<std::int64_t> integers = integers_.as<std::int64_t>();
  ops::fill_zero({integers, Shape{integers.size()}}, stream);
  for (const View<double>& view : numbers_) zero(view, stream);
}

void ExactSums::take_lane(Stream& stream) {
  for_views(numbers_, integers_.as<std::int64_t>(),
            [&](const View<double>& view, View<std::int64_t> integers) {
              ops::exact_add(view, integers, stream);
              zero(view, stream);
            });
}

View<std::int64_t> ExactSums::sum(std::int64_t index) const {
  return integers_.as<std::int64_t>().part(index * ops::kExactIntegers,
                                           (index + 1) * ops::kExactIntegers);
}

void ExactSums::sum_over_ranks(Communicator& communicator, Arena& scratch, Stream& stream) {
  all_reduce_sum(integers_.as<std::int64_t>(), communicator, scratch, stream);
  for_views(numbers_, integers_.as<std::int64_t>(),
            [&](const View<double>& view, View<std::int64_t> integers) {
              ops::exact_value(integers, view, stream);
            });
}

}  // namespace softmoe::parallel
