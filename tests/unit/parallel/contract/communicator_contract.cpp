#include "tests/unit/parallel/contract/communicator_contract.h"

namespace softmoe::test {

std::vector<ContractCase> communicator_contract() {
  std::vector<ContractCase> all;
  for (const auto& cases : {transfer_cases(), order_cases(), sum_cases(), row_exchange_cases()})
    all.insert(all.end(), cases.begin(), cases.end());
  return all;
}

}  // namespace softmoe::test
