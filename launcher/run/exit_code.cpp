#include "launcher/run/exit_code.h"

#include "coordinator/refusal.h"
#include "launcher/run/unavailable.h"
#include "runtime/base/errors.h"

namespace softmoe::launcher {

ExitCode exit_code_of(const std::exception& error) {
  if (dynamic_cast<const ConfigError*>(&error) != nullptr) return ExitCode::configuration;
  if (dynamic_cast<const coordinator::Refused*>(&error) != nullptr) return ExitCode::refused;
  if (dynamic_cast<const Unavailable*>(&error) != nullptr) return ExitCode::unavailable;
  if (dynamic_cast<const CommError*>(&error) != nullptr) return ExitCode::restart;
  if (const auto* storage = dynamic_cast<const StorageError*>(&error)) {
    switch (storage->kind()) {
      case StorageError::Kind::missing:
        return ExitCode::input_missing;
      case StorageError::Kind::bad_format:
        return ExitCode::bad_data;
      case StorageError::Kind::cannot_write:
        return ExitCode::cannot_write;
      case StorageError::Kind::io:
        return ExitCode::io;
    }
  }
  return ExitCode::internal;
}

}  // namespace softmoe::launcher
