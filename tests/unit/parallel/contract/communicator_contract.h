#pragma once

// What every Communicator must do, and what is built on it, as functions that each rank runs. The
// same cases run on threads (unit/parallel), on processes (mpi/) and on GPUs (gpu/).

#include <cstdint>
#include <string>
#include <vector>

#include "parallel/communicator.h"
#include "tests/support/on_device.h"

namespace softmoe::test {

/// What a communicator must be able to carry. Those of an accelerator carry its memory alone.
enum class Carries : std::uint8_t { device_memory, host_memory };

struct ContractCase {
  std::string sentence;  ///< what holds, as a name of a test
  void (*run)(parallel::Communicator& communicator, OnDevice& device);
  Carries what = Carries::device_memory;
};

/// All cases, in a fixed order: ranks run them in step.
[[nodiscard]] std::vector<ContractCase> communicator_contract();
/// Those that want no more than device memory.
[[nodiscard]] std::vector<ContractCase> device_contract();

/// The parts of the contract.
[[nodiscard]] std::vector<ContractCase> transfer_cases();
[[nodiscard]] std::vector<ContractCase> order_cases();
[[nodiscard]] std::vector<ContractCase> sum_cases();
[[nodiscard]] std::vector<ContractCase> row_exchange_cases();

}  // namespace softmoe::test
