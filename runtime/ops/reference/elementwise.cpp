#include "runtime/ops/elementwise.h"

#include <cstring>

namespace softmoe::ops::reference {

void fill_zero(TensorView x, Stream& stream) {
  stream.run([x] {
    if (!x.empty()) std::memset(x.data(), 0, static_cast<std::size_t>(x.bytes()));
  });
}

void copy(ConstTensorView source, TensorView target, Stream& stream) {
  stream.run([source, target] {
    if (source.empty()) return;
    std::memcpy(target.data(), source.data(), static_cast<std::size_t>(source.bytes()));
  });
}

void add(ConstTensorView source, TensorView target, Stream& stream) {
  stream.run([source, target] {
    visit_float(source.dtype(), [&]<class T>() {
      const auto from = source.as<T>();
      const auto to = target.as<T>();
      for (std::int64_t i = 0; i < from.size(); ++i) {
        to[i] = static_cast<T>(ComputeOf<T>{to[i]} + ComputeOf<T>{from[i]});
      }
    });
  });
}

void sum(ConstTensorView x, View<double> sum, Stream& stream) {
  stream.run([x, sum] {
    visit_float(x.dtype(), [&]<class T>() {
      double total = 0;
      for (const T value : x.as<T>().span()) total += double{value};
      sum[0] = total;
    });
  });
}

void sum_squares(ConstTensorView x, View<double> sum, Stream& stream) {
  stream.run([x, sum] {
    visit_float(x.dtype(), [&]<class T>() {
      double total = 0;
      for (const T value : x.as<T>().span()) total += double{value} * double{value};
      sum[0] = total;
    });
  });
}

}  // namespace softmoe::ops::reference
