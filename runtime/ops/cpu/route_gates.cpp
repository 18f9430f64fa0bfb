#include "runtime/ops/route_gates.h"

#include "runtime/ops/route_gate_rows.h"
#include "runtime/ops/route_types.h"

namespace softmoe::ops::cpu {

namespace {

constexpr std::int64_t kRowsAtOnce = 128;

template <class Function>
void for_each_row(Workers& workers, std::int64_t rows, Function&& function) {
  workers.for_each_near((rows + kRowsAtOnce - 1) / kRowsAtOnce, [&](std::int64_t index, int) {
    const std::int64_t end = std::min(rows, (index + 1) * kRowsAtOnce);
    for (std::int64_t row = index * kRowsAtOnce; row < end; ++row) function(row);
  });
}

}  // namespace

void route_gates(const RouteGatesArguments& arguments, Stream& stream) {
  visit_score(arguments.gate_N.dtype(), [&]<class T>() {
    stream.run([arguments, &workers = stream.workers()] {
      const GateRows<T> gates(arguments);
      for_each_row(workers, arguments.sparse.row_begin_R1.size() - 1,
                   [&](std::int64_t row) { gates.write_gates(row); });
    });
  });
}

void route_gates_backward(const RouteGatesArguments& forward, ConstTensorView d_gate_N,
                          TensorView d_p_RC, Stream& stream) {
  visit_score(forward.gate_N.dtype(), [&]<class T>() {
    stream.run([forward, d_gate_N, d_p_RC, &workers = stream.workers()] {
      const GateRows<T> gates(forward);
      const View<const T> d_gates = d_gate_N.as<T>();
      const View<T> d_p = d_p_RC.as<T>();
      const std::int64_t columns = d_p_RC.dim(1);
      for_each_row(workers, d_p_RC.dim(0), [&](std::int64_t row) {
        T* const d_p_C = d_p.data() + row * columns;
        std::fill_n(d_p_C, columns, T(0));
        gates.write_gradient(row, d_gates, d_p_C);
      });
    });
  });
}

}  // namespace softmoe::ops::cpu
