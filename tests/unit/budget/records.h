#pragma once

// Hand-made records for the tests of the controller.

#include "budget/controller.h"

namespace softmoe::budget {

/// Two layers, 100 tokens, every gain 2 (4 over the layers), half of the soft mass at the boundary.
/// `word` is what it ran under; `executed` goes to the layers in equal parts and is even.
inline StepRecord record_of(const ControlWord& word, std::int64_t executed) {
  return {.in_force = word,
          .tokens = 100,
          .executed_L = {executed / 2, executed / 2},
          .gain_L = {2.0, 2.0},
          .boundary_mass_L = {1.0, 1.0},
          .soft_mass_L = {2.0, 2.0}};
}

}  // namespace softmoe::budget
