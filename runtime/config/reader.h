#pragma once

// How a config struct says what its keys are:
//
//     struct ExpertsConfig {
//       int num_experts = 8;
//       Mode mode = Mode::servo;
//       std::optional<double> temperature;
//       std::vector<int> dense_layers;
//       RouterConfig router;
//
//       void bind(config::Reader& reader) {
//         reader.value("num_experts", num_experts, config::Range{.min = 1}, "experts");
//         reader.choice("mode", mode, {{"servo", Mode::servo}, {"off", Mode::off}}, "budget");
//         reader.value("temperature", temperature, config::Range{.above = 0}, "of LapSum");
//         reader.list("dense_layers", dense_layers, "layers without experts");
//         reader.section("router", router);
//       }
//       void validate(config::Check& check) const {  // where there are rules between keys
//         if (num_experts % 2) check.refuse("num_experts", "must be even; the next is 8");
//       }
//     };

#include <functional>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "runtime/base/errors.h"
#include "runtime/config/check.h"
#include "runtime/config/range.h"
#include "runtime/config/scalar.h"

namespace softmoe::config {

class Binder;
struct Node;

/// A target of Reader::value: a scalar, or an optional one that `null` unsets.
template <class T>
concept NumberTarget = Number<T> ||
    (requires { typename T::value_type; } &&
     std::same_as<T, std::optional<typename T::value_type>> && Number<typename T::value_type>);
template <class T>
concept ScalarTarget = Scalar<T> ||
    (requires { typename T::value_type; } &&
     std::same_as<T, std::optional<typename T::value_type>> && Scalar<typename T::value_type>);

/// The name of an enumerator in a document.
template <class E>
struct Choice {
  std::string_view name;
  E value;
};

/// One section of a configuration while it is bound: sets each target to what the command line or
/// the document says, else leaves its default, and notes the key with its meaning and origin.
///
/// Nothing is thrown for a mistake of the user; it is kept, the target keeps its default, and
/// load() throws all mistakes as one. Names are given once per section, without dots.
///
/// @throws InternalError if a name is bound twice, or a default breaks its own rule: such a
///         configuration could not be written down and read again. For "unset" use std::optional.
class Reader {
 public:
  /// A number, a truth value or text.
  template <ScalarTarget T>
  void value(std::string_view name, T& target, std::string_view help) {
    bind_scalar(name, target, Range{}, help);
  }

  /// A number within bounds.
  template <NumberTarget T>
  void value(std::string_view name, T& target, const Range& range, std::string_view help) {
    bind_scalar(name, target, range, help);
  }

  /// One of a few names, each of a different value.
  template <class E>
  void choice(std::string_view name, E& target,
              std::initializer_list<Choice<std::type_identity_t<E>>> choices,
              std::string_view help) {
    if (const auto chosen = choose(name, choices, std::optional<E>(target), help)) target = *chosen;
  }

  /// The same, with `null` for none of them.
  template <class E>
  void choice(std::string_view name, std::optional<E>& target,
              std::initializer_list<Choice<std::type_identity_t<E>>> choices,
              std::string_view help) {
    target = choose(name, choices, target, help, Unset::allowed);
  }

  /// A list of scalars, written [a, b] or as lines that start with "- ".
  template <Scalar T>
  void list(std::string_view name, std::vector<T>& target, std::string_view help) {
    bind_list(name, target, Range{}, help);
  }

  /// A list of numbers, each within bounds.
  template <Number T>
  void list(std::string_view name, std::vector<T>& target, const Range& range,
            std::string_view help) {
    bind_list(name, target, range, help);
  }

  /// A struct with `bind` and, perhaps, `validate`, beneath a key of its own.
  template <class Section>
  void section(std::string_view name, Section& target) {
    Reader inner = enter(name);
    inner.bind_all(target);
  }

 private:
  friend class Binder;
  enum class Unset { refused, allowed };
  using Validation = std::function<void(Check&)>;

  Reader(Binder& binder, std::string section, const Node* map);

  // Binds the whole struct, then looks for keys that nobody bound.
  template <class Section>
  void bind_all(Section& target) {
    target.bind(*this);
    Validation validation;
    if constexpr (requires(Check & check) { target.validate(check); }) {
      validation = [&target](Check& check) { target.validate(check); };
    }
    leave(std::move(validation));
  }

  template <class E>
  std::optional<E> choose(std::string_view name, std::initializer_list<Choice<E>> choices,
                          std::optional<E> current, std::string_view help,
                          Unset unset = Unset::refused) {
    std::vector<std::string> names;
    std::optional<std::size_t> index;
    for (const Choice<E>& each : choices) {
      if (current && each.value == *current) index = names.size();
      names.emplace_back(each.name);
    }
    expect(current.has_value() == index.has_value(),
           "the default of '" + std::string(name) + "' is one of its choices");
    index = choose_index(name, names, index, help, unset);
    return index ? std::optional<E>(choices.begin()[*index].value) : std::nullopt;
  }

  // Defined, for the types that the concepts name, in reader.cpp.
  template <class T>
  void bind_scalar(std::string_view name, T& target, const Range& range, std::string_view help);
  template <class T>
  void bind_list(std::string_view name, std::vector<T>& target, const Range& range,
                 std::string_view help);
  std::optional<std::size_t> choose_index(std::string_view name,
                                          const std::vector<std::string>& names,
                                          std::optional<std::size_t> current, std::string_view help,
                                          Unset unset);
  Reader enter(std::string_view name);
  void leave(Validation validation);
  std::string take_name(std::string_view name);

  Binder& binder_;
  std::string section_;  // dotted path, "" for the root
  const Node* map_;      // null where the document does not write the section
  std::vector<std::string> names_;
  std::size_t num_problems_before_;
};

}  // namespace softmoe::config
