#include "parallel/operation_order.h"

namespace softmoe::parallel {

void OperationOrder::settle() {
  if (is_settled()) return;
  Stream waiter(*device_);
  waiter.wait_for(last_);
  waiter.run([] {});
  waiter.synchronize();
}

}  // namespace softmoe::parallel
