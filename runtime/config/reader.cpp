#include "runtime/config/reader.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "runtime/config/binder.h"
#include "runtime/config/document.h"
#include "runtime/config/secret.h"
#include "runtime/config/suggest.h"
#include "runtime/config/text.h"

namespace softmoe::config {
namespace {

template <class T>
inline constexpr bool kIsOptional = false;
template <class T>
inline constexpr bool kIsOptional<std::optional<T>> = true;

template <class T>
struct ValueOf {
  using type = T;
};
template <class T>
struct ValueOf<std::optional<T>> {
  using type = T;
};

// One key and what may stand there.
struct Rule {
  std::string key;
  Range range;
  Problems& problems;

  void refuse(const Node& node, std::string_view must) const {
    switch (node.kind) {
      case Node::Kind::null:
        problems.add(node.place,
                     fmt::format("'{}' has no value; write one or remove the key", key));
        return;
      case Node::Kind::list:
      case Node::Kind::map:
        problems.add(node.place,
                     fmt::format("'{}' is a {}, but {}", key,
                                 node.kind == Node::Kind::list ? "list" : "section", must));
        return;
      case Node::Kind::scalar:
        problems.add(node.place, fmt::format("'{}' is '{}', but {}", key, shown(node.text), must));
        return;
      case Node::Kind::refused:
        return;
    }
  }

  [[nodiscard]] std::string shown(std::string_view text) const {
    return names_a_secret(key) ? std::string(kRedacted) : brief(text);
  }
};

template <Scalar T>
std::optional<T> read_scalar(const Node& node, const Rule& rule) {
  if (node.kind != Node::Kind::scalar) {
    rule.refuse(node, fmt::format("must be {}{}", Number<T> ? "a " : "", name_of_type<T>()));
    return std::nullopt;
  }
  if (node.quoted && !std::same_as<T, std::string>) {
    rule.refuse(
        node, fmt::format("must be {}{} without quotes", Number<T> ? "a " : "", name_of_type<T>()));
    return std::nullopt;
  }
  Parsed<T> parsed = parse_scalar<T>(node.text);
  if (!parsed.value) {
    rule.refuse(node, parsed.must);
    return std::nullopt;
  }
  if constexpr (Number<T>) {
    if (!rule.range.holds(static_cast<double>(*parsed.value))) {
      rule.refuse(node, "must be " + rule.range.words());
      return std::nullopt;
    }
  }
  return std::move(parsed.value);
}

template <class T>
std::string print_value(const T& value) {
  if constexpr (kIsOptional<T>) {
    return value ? print_scalar(*value) : "null";
  } else {
    return print_scalar(value);
  }
}

template <Scalar T>
std::string print_list(const std::vector<T>& values) {
  std::vector<std::string> items;
  for (const T& value : values) items.push_back(print_scalar(value));
  return fmt::format("[{}]", fmt::join(items, ", "));
}

template <Scalar T>
std::string allowed_words(const Range& range) {
  const std::string words = range.words();
  return fmt::format("{}{}{}", name_of_type<T>(), words.empty() ? "" : " ", words);
}

// A default is written into the resolved configuration and read again from there.
template <Scalar T>
void expect_good_default(const T& value, const Rule& rule) {
  bool good = true;
  if constexpr (Number<T>) {
    good = rule.range.holds(static_cast<double>(value)) &&
           parse_scalar<T>(print_scalar(value)).value.has_value();
  }
  expect(good, fmt::format("the default {} of '{}' is a value that it accepts ({}); for a key that "
                           "may be unset use std::optional",
                           print_scalar(value), rule.key, allowed_words<T>(rule.range)));
}

// Only text can be a secret: a number beneath `pad_token` is none, nor is what the source code
// holds.
void redact_if_secret(Setting& setting, std::string_view value_by_default) {
  setting.redacted = setting.value != value_by_default && names_a_secret(setting.key);
  if (setting.redacted) setting.value = kRedacted;
}

void move_to(const Place& place, Node& node) {
  node.place = place;
  for (Node& item : node.items) move_to(place, item);
}

// An override is one scalar; the list in it is parsed when a list is wanted.
std::optional<Node> parse_list(const Node& written) {
  Problems problems;
  const Source text = Source::text("list: " + written.text);
  std::optional<Node> document = parse_document(text, problems);
  if (!document || !problems.empty() || document->entries.size() != 1) return std::nullopt;
  Node list = std::move(document->entries.front().value);
  if (list.kind != Node::Kind::list) return std::nullopt;
  move_to(written.place, list);
  return list;
}

template <Scalar T>
std::optional<std::vector<T>> read_list(const Node& node, const Rule& rule) {
  constexpr std::string_view kMust = "must be a list, such as [a, b]";
  if (node.kind == Node::Kind::scalar && node.place.in == Place::In::command_line) {
    const std::optional<Node> list = parse_list(node);
    if (list) return read_list<T>(*list, rule);
  }
  if (node.kind != Node::Kind::list) {
    rule.refuse(node, kMust);
    return std::nullopt;
  }
  std::vector<T> values;
  for (std::size_t i = 0; i < node.items.size(); ++i) {
    const Rule rule_of_item{fmt::format("{}[{}]", rule.key, i), rule.range, rule.problems};
    std::optional<T> value = read_scalar<T>(node.items[i], rule_of_item);
    if (value) values.push_back(std::move(*value));
  }
  const bool all_read = values.size() == node.items.size();
  return all_read ? std::optional(std::move(values)) : std::nullopt;
}

}  // namespace

Reader::Reader(Binder& binder, std::string section, const Node* map)
    : binder_(binder),
      section_(std::move(section)),
      map_(map),
      num_problems_before_(binder.problems_.size() + binder.unknown_keys_.size()) {}

std::string Reader::take_name(std::string_view name) {
  const bool is_new = std::find(names_.begin(), names_.end(), name) == names_.end();
  expect(is_new, fmt::format("'{}' is bound once in section '{}'", name, section_));
  expect(!name.empty() && name.find('.') == std::string_view::npos,
         fmt::format("the name '{}' in section '{}' has no dot and is not empty", name, section_));
  names_.emplace_back(name);
  return section_.empty() ? std::string(name) : fmt::format("{}.{}", section_, name);
}

template <class T>
void Reader::bind_scalar(std::string_view name, T& target, const Range& range,
                         std::string_view help) {
  using Value = typename ValueOf<T>::type;
  const Rule rule{take_name(name), range, binder_.problems_};
  if constexpr (kIsOptional<T>) {
    if (target) expect_good_default<Value>(*target, rule);
  } else {
    expect_good_default<Value>(target, rule);
  }

  const std::string value_by_default = print_value(target);
  const Given given = binder_.find(rule.key, map_, name);
  if (given.node != nullptr) {
    if (kIsOptional<T> && given.node->kind == Node::Kind::null) {
      target = T{};
    } else if (std::optional<Value> value = read_scalar<Value>(*given.node, rule)) {
      target = std::move(*value);
    }
  }

  Setting setting;
  setting.key = rule.key;
  setting.value = print_value(target);
  setting.allowed = allowed_words<Value>(range) + (kIsOptional<T> ? " or null" : "");
  setting.help = help;
  if constexpr (std::same_as<Value, std::string>) {
    redact_if_secret(setting, value_by_default);
  }
  binder_.note(std::move(setting), given);
}

template <class T>
void Reader::bind_list(std::string_view name, std::vector<T>& target, const Range& range,
                       std::string_view help) {
  const Rule rule{take_name(name), range, binder_.problems_};
  for (const T& value : target) expect_good_default<T>(value, rule);

  const std::string value_by_default = print_list(target);
  const Given given = binder_.find(rule.key, map_, name);
  if (given.node != nullptr) {
    if (std::optional<std::vector<T>> values = read_list<T>(*given.node, rule)) {
      target = std::move(*values);
    }
  }

  Setting setting;
  setting.key = rule.key;
  setting.value = print_list(target);
  setting.allowed = fmt::format("list of {}{}{}{}", name_of_type<T>(), Number<T> ? "s" : "",
                                range.words().empty() ? "" : " ", range.words());
  setting.help = help;
  if constexpr (std::same_as<T, std::string>) {
    redact_if_secret(setting, value_by_default);
  }
  binder_.note(std::move(setting), given);
}

std::optional<std::size_t> Reader::choose_index(std::string_view name,
                                                const std::vector<std::string>& names,
                                                std::optional<std::size_t> current,
                                                std::string_view help, Unset unset) {
  const Rule rule{take_name(name), Range{}, binder_.problems_};
  const Given given = binder_.find(rule.key, map_, name);
  if (given.node != nullptr) {
    const Node& node = *given.node;
    const auto found = std::find(names.begin(), names.end(), node.text);
    if (node.kind == Node::Kind::null && unset == Unset::allowed) {
      current.reset();
    } else if (node.kind == Node::Kind::scalar && found != names.end()) {
      current = static_cast<std::size_t>(found - names.begin());
    } else {
      const auto near = nearest(node.text, names);
      rule.refuse(node, fmt::format("must be one of {}{}", fmt::join(names, ", "),
                                    near ? fmt::format(" — did you mean '{}'?", *near) : ""));
    }
  }

  Setting setting;
  setting.key = rule.key;
  setting.value = current ? print_scalar(names[*current]) : "null";
  setting.allowed =
      fmt::format("{}{}", fmt::join(names, " | "), unset == Unset::allowed ? " | null" : "");
  setting.help = help;
  binder_.note(std::move(setting), given);
  return current;
}

Reader Reader::enter(std::string_view name) {
  const std::string key = take_name(name);
  const Node* map = nullptr;
  Place place;
  if (map_ != nullptr) {
    const auto entry = std::find_if(map_->entries.begin(), map_->entries.end(),
                                    [name](const Entry& e) { return e.key == name; });
    if (entry != map_->entries.end()) {
      const Node& node = entry->value;
      place = entry->place;
      // A section whose keys are all commented out is empty, and that is fine.
      if (node.kind == Node::Kind::map) {
        map = &node;
      } else if (node.kind != Node::Kind::null) {
        Rule{key, Range{}, binder_.problems_}.refuse(
            node, "must be a section, with its keys indented on the lines beneath");
      }
    }
  }
  binder_.sections_.push_back({key, place});
  return {binder_, key, map};
}

void Reader::leave(Validation validation) {
  if (map_ != nullptr) {
    for (const Entry& entry : map_->entries) {
      if (std::find(names_.begin(), names_.end(), entry.key) != names_.end()) continue;
      binder_.unknown_keys_.push_back({section_, entry.key, entry.place});
    }
  }
  // Where a value was refused the default stands in for it; a rule between keys would then speak of
  // values that nobody wrote.
  const std::size_t num_problems = binder_.problems_.size() + binder_.unknown_keys_.size();
  if (validation && num_problems == num_problems_before_) {
    binder_.validations_.push_back({section_, std::move(validation)});
  }
}

template void Reader::bind_scalar(std::string_view, int&, const Range&, std::string_view);
template void Reader::bind_scalar(std::string_view, std::int64_t&, const Range&, std::string_view);
template void Reader::bind_scalar(std::string_view, std::uint64_t&, const Range&, std::string_view);
template void Reader::bind_scalar(std::string_view, float&, const Range&, std::string_view);
template void Reader::bind_scalar(std::string_view, double&, const Range&, std::string_view);
template void Reader::bind_scalar(std::string_view, bool&, const Range&, std::string_view);
template void Reader::bind_scalar(std::string_view, std::string&, const Range&, std::string_view);
template void Reader::bind_scalar(std::string_view, std::optional<int>&, const Range&,
                                  std::string_view);
template void Reader::bind_scalar(std::string_view, std::optional<std::int64_t>&, const Range&,
                                  std::string_view);
template void Reader::bind_scalar(std::string_view, std::optional<std::uint64_t>&, const Range&,
                                  std::string_view);
template void Reader::bind_scalar(std::string_view, std::optional<float>&, const Range&,
                                  std::string_view);
template void Reader::bind_scalar(std::string_view, std::optional<double>&, const Range&,
                                  std::string_view);
template void Reader::bind_scalar(std::string_view, std::optional<bool>&, const Range&,
                                  std::string_view);
template void Reader::bind_scalar(std::string_view, std::optional<std::string>&, const Range&,
                                  std::string_view);
template void Reader::bind_list(std::string_view, std::vector<int>&, const Range&,
                                std::string_view);
template void Reader::bind_list(std::string_view, std::vector<std::int64_t>&, const Range&,
                                std::string_view);
template void Reader::bind_list(std::string_view, std::vector<std::uint64_t>&, const Range&,
                                std::string_view);
template void Reader::bind_list(std::string_view, std::vector<float>&, const Range&,
                                std::string_view);
template void Reader::bind_list(std::string_view, std::vector<double>&, const Range&,
                                std::string_view);
template void Reader::bind_list(std::string_view, std::vector<std::string>&, const Range&,
                                std::string_view);

}  // namespace softmoe::config
