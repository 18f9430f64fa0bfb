#include "runtime/ops/route_gates.h"

#include "runtime/ops/route_gate_rows.h"
#include "runtime/ops/route_types.h"

namespace softmoe::ops::reference {

void route_gates(const RouteGatesArguments& arguments, Stream& stream) {
  visit_score(arguments.gate_N.dtype(), [&]<class T>() {
    stream.run([arguments] {
      const GateRows<T> gates(arguments);
      for (std::int64_t row = 0; row + 1 < arguments.sparse.row_begin_R1.size(); ++row) {
        gates.write_gates(row);
      }
    });
  });
}

void route_gates_backward(const RouteGatesArguments& forward, ConstTensorView d_gate_N,
                          TensorView d_p_RC, Stream& stream) {
  visit_score(forward.gate_N.dtype(), [&]<class T>() {
    stream.run([forward, d_gate_N, d_p_RC] {
      const View<T> d_p = d_p_RC.as<T>();
      std::fill_n(d_p.data(), d_p.size(), T(0));
      const GateRows<T> gates(forward);
      for (std::int64_t row = 0; row < d_p_RC.dim(0); ++row) {
        gates.write_gradient(row, d_gate_N.as<T>(), d_p.data() + row * d_p_RC.dim(1));
      }
    });
  });
}

}  // namespace softmoe::ops::reference
