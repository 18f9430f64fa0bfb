#pragma once

#include "budget/budget_link.h"

namespace softmoe::budget {

/// The line of a run that nobody watches: the set-points stay as configured, records go nowhere.
class LocalBudgetLink final : public BudgetLink {
 public:
  void submit(const StepReport&) override {}
  [[nodiscard]] LinkNews poll() override { return {}; }
};

}  // namespace softmoe::budget
