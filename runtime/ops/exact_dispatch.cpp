#include "runtime/ops/checks.h"
#include "runtime/ops/dispatch.h"
#include "runtime/ops/exact_sum.h"
#include "runtime/ops/fixed_point.h"

namespace softmoe::ops {

void add_fixed(const AddFixedArguments& arguments, Stream& stream) {
  const Checks check("add_fixed");
  check.same_float({{"source", arguments.source}});
  check.equal("size of target", arguments.target.size(), arguments.source.elements());
  check.equal("size of overflow", arguments.overflow.size(), 1);
  pick<AddFixedOp>(stream, arguments.source.dtype(),
                   {"add_fixed", &reference::add_fixed, &cpu::add_fixed, nullptr})(arguments,
                                                                                   stream);
}

void from_fixed(View<const std::int64_t> source, FixedPoint format, TensorView target,
                Stream& stream) {
  const Checks check("from_fixed");
  check.same_float({{"target", target}});
  check.equal("elements of target", target.elements(), source.size());
  pick<FromFixedOp>(stream, target.dtype(),
                    {"from_fixed", &reference::from_fixed, &cpu::from_fixed, nullptr})(
      source, format, target, stream);
}

void exact_add(View<const double> x_N, View<std::int64_t> sums_N5, Stream& stream) {
  const Checks check("exact_add");
  check.equal("size of sums_N5", sums_N5.size(), x_N.size() * kExactIntegers);
  pick<ExactAddOp>(stream, {"exact_add", &reference::exact_add, &reference::exact_add, nullptr})(
      x_N, sums_N5, stream);
}

void exact_add_squares(ConstTensorView x, View<std::int64_t> sum_5, Stream& stream) {
  const Checks check("exact_add_squares");
  check.same_float({{"x", x}});
  check.equal("size of sum_5", sum_5.size(), kExactIntegers);
  pick<ExactAddSquaresOp>(stream, x.dtype(),
                          {"exact_add_squares", &reference::exact_add_squares,
                           &cpu::exact_add_squares, nullptr})(x, sum_5, stream);
}

void exact_value(View<const std::int64_t> sums_N5, View<double> x_N, Stream& stream) {
  const Checks check("exact_value");
  check.equal("size of sums_N5", sums_N5.size(), x_N.size() * kExactIntegers);
  pick<ExactValueOp>(stream, {"exact_value", &reference::exact_value, &reference::exact_value,
                              nullptr})(sums_N5, x_N, stream);
}

}  // namespace softmoe::ops
