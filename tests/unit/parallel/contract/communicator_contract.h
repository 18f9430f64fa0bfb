#pragma once

// What every Communicator must do, and what is built on it, as functions that each rank runs. The
// same cases run on threads (unit/parallel) and on processes (mpi/).

#include <string>
#include <vector>

#include "parallel/communicator.h"
#include "tests/support/on_device.h"

namespace softmoe::test {

struct ContractCase {
  std::string sentence;  ///< what holds, as a name of a test
  void (*run)(parallel::Communicator& communicator, OnDevice& device);
};

/// All cases, in a fixed order: ranks run them in step.
[[nodiscard]] std::vector<ContractCase> communicator_contract();

/// The parts of the contract.
[[nodiscard]] std::vector<ContractCase> transfer_cases();
[[nodiscard]] std::vector<ContractCase> order_cases();
[[nodiscard]] std::vector<ContractCase> sum_cases();
[[nodiscard]] std::vector<ContractCase> row_exchange_cases();

}  // namespace softmoe::test
