#include "runtime/ops/checks.h"

#include <fmt/format.h>

namespace softmoe::ops {

void Checks::shape(NamedTensor named, const Shape& wanted) const {
  if (named.tensor.shape() == wanted) return;
  throw InvalidArgument(fmt::format("{}: {} has shape {}, must be {}", operation_, named.name,
                                    named.tensor.shape().to_string(), wanted.to_string()));
}

void Checks::rank(NamedTensor named, int wanted) const {
  if (named.tensor.shape().rank() == wanted) return;
  throw InvalidArgument(fmt::format("{}: {} has shape {}, must have {} dims", operation_,
                                    named.name, named.tensor.shape().to_string(), wanted));
}

void Checks::dtype(NamedTensor named, DType wanted) const {
  if (named.tensor.dtype() == wanted) return;
  throw InvalidArgument(fmt::format("{}: {} is of {}, must be {}", operation_, named.name,
                                    name_of(named.tensor.dtype()), name_of(wanted)));
}

void Checks::same_float(std::initializer_list<NamedTensor> tensors) const {
  const DType first = tensors.begin()->tensor.dtype();
  if (first != DType::f64 && first != DType::f32 && first != DType::bf16) {
    throw InvalidArgument(fmt::format("{}: {} is of {}, must be f64, f32 or bf16", operation_,
                                      tensors.begin()->name, name_of(first)));
  }
  for (const NamedTensor& named : tensors) dtype(named, first);
}

void Checks::kept_beside(NamedTensor named, DType storage) const {
  dtype(named, storage == DType::f64 ? DType::f64 : DType::f32);
}

void Checks::at_least(std::string_view name, std::int64_t value, std::int64_t minimum) const {
  if (value >= minimum) return;
  throw InvalidArgument(
      fmt::format("{}: {} is {}, must be at least {}", operation_, name, value, minimum));
}

void Checks::equal(std::string_view name, std::int64_t value, std::int64_t wanted) const {
  if (value == wanted) return;
  throw InvalidArgument(fmt::format("{}: {} is {}, must be {}", operation_, name, value, wanted));
}

void Checks::groups(std::span<const std::int64_t> row_begin, std::int64_t num_groups,
                    std::int64_t num_rows) const {
  equal("size of row_begin", std::ssize(row_begin), num_groups + 1);
  equal("first of row_begin", row_begin.front(), 0);
  equal("last of row_begin", row_begin.back(), num_rows);
  for (std::size_t group = 1; group < row_begin.size(); ++group) {
    at_least("row_begin of a group", row_begin[group], row_begin[group - 1]);
  }
}

void refuse_row(std::string_view operation, std::int64_t entry, std::int64_t row,
                std::int64_t num_rows) {
  throw InvalidArgument(
      fmt::format("{}: entry {} names row {}, but there are {}", operation, entry, row, num_rows));
}

}  // namespace softmoe::ops
