#include "experts/row_traffic.h"

namespace softmoe::experts {

RowTraffic row_traffic(int hidden, DType dtype) {
  const std::int64_t row = std::int64_t{hidden} * static_cast<std::int64_t>(size_of(dtype));
  const auto gate =
      static_cast<std::int64_t>(size_of(dtype == DType::f64 ? DType::f64 : DType::f32));
  return {.dispatch_forward = row + gate,
          .combine_forward = row,
          .combine_backward = row,
          .dispatch_backward = row + gate,
          .dispatch_again = row + gate};
}

}  // namespace softmoe::experts
