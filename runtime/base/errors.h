#pragma once

// What can go wrong, by who is to blame and what is left afterwards. Only `main` catches.

#include <stdexcept>
#include <string>
#include <string_view>

namespace softmoe {

/// The caller handed over nonsense; nothing changed.
class InvalidArgument : public std::invalid_argument {
 public:
  using std::invalid_argument::invalid_argument;
};

/// The user did: a configuration, a flag or a layout that cannot run. Nothing started.
/// The message is complete: it carries `file:line:col` where there is one, and the cure.
class ConfigError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// A peer, the network or a deadline. The communicator is unusable from here on.
class CommError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// The accelerator. This process cannot go on.
class DeviceError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// A file. Nothing half-written is visible under its final name.
class StorageError : public std::runtime_error {
 public:
  enum class Kind {
    missing,       ///< the input does not exist
    bad_format,    ///< it exists, but is not what it should be
    cannot_write,  ///< the place does not let us write
    io,            ///< the system failed while reading or writing
  };

  StorageError(Kind kind, const std::string& message) : std::runtime_error(message), kind_(kind) {}

  [[nodiscard]] Kind kind() const noexcept { return kind_; }

 private:
  Kind kind_;
};

/// A bug of ours: stop.
class InternalError : public std::logic_error {
 public:
  using std::logic_error::logic_error;
};

/// Throws InternalError with `what_should_hold` unless `holds`.
inline void expect(bool holds, std::string_view what_should_hold) {
  if (!holds)
    throw InternalError("internal error, this should hold: " + std::string(what_should_hold));
}

/// Throws InvalidArgument with `message` unless `holds`. For preconditions whose text is fixed;
/// where the message carries values, test and throw with fmt.
inline void require(bool holds, std::string_view message) {
  if (!holds) throw InvalidArgument(std::string(message));
}

}  // namespace softmoe
