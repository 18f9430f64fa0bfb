#pragma once

#include <stdexcept>

namespace softmoe::launcher {

/// A program or a service outside that is needed is not there, or says no. Nothing of ours changed.
class Unavailable : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

}  // namespace softmoe::launcher
