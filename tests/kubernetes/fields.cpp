#include <fmt/format.h>

#include <fstream>
#include <regex>

#include "tests/kubernetes/rules.h"

namespace softmoe::test {

namespace {

/// Type -> its fields.
Object read_table() {
  Object table = Object::object();
  for (const char* file : {"kubernetes.json", "operators.json"}) {
    std::ifstream stream(std::string(SOFTMOE_SOURCE_DIR) + "/tests/kubernetes/fields/" + file);
    table.update(Object::parse(stream));
  }
  return table;
}

class FieldCheck {
 public:
  void object(const Object& value, const std::string& type, const std::string& path) {
    if (!value.is_object()) return refuse(path, "must be a map of " + type);
    const Object& fields = table_.at(type);
    for (const auto& [name, inner] : value.items()) {
      const auto field = fields.contains(name) ? fields.find(name) : fields.find(name + "!");
      if (field == fields.end()) {
        refuse(path, fmt::format("{} has no field '{}'", type, name));
      } else {
        check(inner, field->get<std::string>(), path + "." + name);
      }
    }
    for (const auto& [name, unused] : fields.items()) {
      if (!name.ends_with('!')) continue;
      const std::string needed = name.substr(0, name.size() - 1);
      if (!value.contains(needed)) refuse(path, fmt::format("{} needs '{}'", type, needed));
    }
  }

  [[nodiscard]] bool knows(const std::string& type) const { return table_.contains(type); }
  void refuse(const std::string& path, const std::string& what) {
    offences_.push_back(path + ": " + what);
  }
  [[nodiscard]] Offences take() { return std::move(offences_); }

 private:
  void check(const Object& value, const std::string& type, const std::string& path) {
    if (type == "any") return;
    if (type.front() == '[') return list(value, inside(type), path);
    if (type.front() == '{') return map(value, inside(type), path);
    if (table_.contains(type)) return object(value, type, path);
    if (!is_scalar_of(value, type)) refuse(path, fmt::format("{} is no {}", value.dump(), type));
  }

  static std::string inside(const std::string& type) { return type.substr(1, type.size() - 2); }

  void list(const Object& value, const std::string& type, const std::string& path) {
    if (!value.is_array()) return refuse(path, "must be a list of " + type);
    for (std::size_t i = 0; i < value.size(); ++i) {
      check(value[i], type, fmt::format("{}[{}]", path, i));
    }
  }

  void map(const Object& value, const std::string& type, const std::string& path) {
    if (!value.is_object()) return refuse(path, "must be a map of " + type);
    for (const auto& [name, inner] : value.items()) check(inner, type, path + "." + name);
  }

  static bool matches(const Object& value, const char* pattern) {
    return value.is_string() && std::regex_match(value.get<std::string>(), std::regex(pattern));
  }

  static bool is_scalar_of(const Object& value, const std::string& type) {
    if (type == "string") return value.is_string();
    if (type == "int") return value.is_number_integer();
    if (type == "bool") return value.is_boolean();
    if (type == "int-or-string") return value.is_number_integer() || value.is_string();
    if (type == "duration") return matches(value, "([0-9]+(ms|[smhdwy]))+");
    if (type == "quantity") {
      return value.is_number_integer() ||
             matches(value, "[0-9]+([.][0-9]+)?(m|k|M|G|T|Ki|Mi|Gi|Ti)?");
    }
    if (!value.is_string()) return false;
    if (type.front() == '=') return value == type.substr(1);
    return ("|" + type + "|").find("|" + value.get<std::string>() + "|") != std::string::npos;
  }

  Object table_ = read_table();
  Offences offences_;
};

}  // namespace

Offences against_fields(const Objects& objects) {
  FieldCheck check;
  for (const Object& object : objects) {
    const std::string kind = object.value("kind", "");
    if (check.knows(kind)) {
      check.object(object, kind, title_of(object));
    } else {
      check.refuse(title_of(object), "a kind without a table");
    }
  }
  return check.take();
}

}  // namespace softmoe::test
