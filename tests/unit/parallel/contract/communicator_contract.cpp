#include "tests/unit/parallel/contract/communicator_contract.h"

namespace softmoe::test {

std::vector<ContractCase> communicator_contract() {
  std::vector<ContractCase> all;
  for (const auto& cases : {transfer_cases(), order_cases(), sum_cases(), row_exchange_cases()})
    all.insert(all.end(), cases.begin(), cases.end());
  return all;
}

std::vector<ContractCase> device_contract() {
  std::vector<ContractCase> cases = communicator_contract();
  std::erase_if(cases, [](const ContractCase& one) { return one.what == Carries::host_memory; });
  return cases;
}

}  // namespace softmoe::test
