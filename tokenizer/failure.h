#pragma once

#include <stdexcept>
#include <string>

#include "tokenizer/protocol.h"

namespace softmoe::tokenizer {

/// Why the program cannot do what it was asked, and the code it ends with. Only `main` catches it.
class Failure : public std::runtime_error {
 public:
  Failure(ExitCode code, const std::string& message) : std::runtime_error(message), code_(code) {}

  [[nodiscard]] ExitCode code() const noexcept { return code_; }

 private:
  ExitCode code_;
};

}  // namespace softmoe::tokenizer
