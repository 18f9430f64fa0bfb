#include "runtime/device/view.h"

namespace softmoe {

Shape::Shape(std::initializer_list<std::int64_t> dims) {
  require(dims.size() <= dims_.size(), "a tensor has at most four dims");
  for (const std::int64_t extent : dims) {
    require(extent >= 0, "a dim is negative");
    dims_[static_cast<std::size_t>(rank_++)] = extent;
  }
}

std::int64_t Shape::elements() const {
  std::int64_t product = 1;
  for (int i = 0; i < rank_; ++i) product *= dims_[static_cast<std::size_t>(i)];
  return product;
}

std::string Shape::to_string() const {
  std::string text = "[";
  for (int i = 0; i < rank_; ++i) {
    if (i > 0) text += ", ";
    text += std::to_string(dims_[static_cast<std::size_t>(i)]);
  }
  return text + "]";
}

}  // namespace softmoe
