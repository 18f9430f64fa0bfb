#include "runtime/config/document.h"

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <sstream>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "runtime/config/syntax.h"
#include "runtime/config/text.h"

namespace softmoe::config {
namespace {

// Builds the tree from the parser's events on a stack of our own. Nothing is resolved or followed,
// so neither a cycle of aliases nor a bomb of them exists.
class TreeBuilder : public YAML::EventHandler {
 public:
  TreeBuilder(const Source& source, Problems& problems) : source_(source), problems_(problems) {}

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (seen_document_) refuse_second_document(place_of(mark));
    seen_document_ = true;
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t) override {
    add({.kind = Node::Kind::null, .place = place_of(mark)});
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    problems_.add(place_of(mark), "aliases (*name) are not accepted; repeat the value");
    add({.kind = Node::Kind::refused, .place = place_of(mark)});
  }

  void OnAnchor(const YAML::Mark& mark, const std::string&) override {
    problems_.add(place_of(mark), "anchors (&name) are not accepted; write the value without it");
  }

  void OnScalar(const YAML::Mark& mark, const std::string&, YAML::anchor_t,
                const std::string& value) override {
    Node node{.kind = Node::Kind::scalar, .place = place_of(mark), .text = value};
    require_spaces(node.place);
    const std::size_t begin = source_.offset(node.place.line, node.place.column);
    const char first = begin < source_.text().size() ? source_.text()[begin] : '\0';
    if (refuse_tag(node.place) || first == '&') {
      node.kind = Node::Kind::refused;
    } else if (first == '"' || first == '\'') {
      require_closing_quote(node.place);
      node.quoted = true;
    } else if (first == '|' || first == '>') {
      node.quoted = true;
    } else if (source_.text().substr(begin, value.size()) != value) {
      refuse_continuation(node.place);
    }
    if (value.size() > kMaxScalarBytes) {
      problems_.add(node.place, fmt::format("text of {} bytes; the limit for one value is {}",
                                            value.size(), kMaxScalarBytes));
      node.kind = Node::Kind::refused;
    }
    add(std::move(node));
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t,
                       YAML::EmitterStyle::value style) override {
    push(Node::Kind::list, place_of(mark), style == YAML::EmitterStyle::Flow ? '[' : '\0');
  }
  void OnSequenceEnd() override { pop(); }

  void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t,
                  YAML::EmitterStyle::value style) override {
    push(Node::Kind::map, place_of(mark), style == YAML::EmitterStyle::Flow ? '{' : '\0');
  }
  void OnMapEnd() override { pop(); }

  [[nodiscard]] std::vector<OpenBracket> open_brackets() const {
    std::vector<OpenBracket> open;
    for (const Level& level : levels_) {
      if (level.bracket != '\0') open.push_back({level.bracket, level.node.place});
    }
    return open;
  }

  [[nodiscard]] Node take_root() { return std::move(root_); }

 private:
  // A map or list that is not yet complete.
  struct Level {
    Node node;
    char bracket = '\0';  // '[' or '{' where the user wrote one
    bool has_key = false;
    bool keeps_value = false;  // false after a key that was refused
    std::string key;
    Place key_place;
    std::unordered_map<std::string, int> line_of_key;
  };

  static Place place_of(const YAML::Mark& mark) {
    return {Place::In::document, mark.line + 1, mark.column + 1};
  }

  void push(Node::Kind kind, const Place& place, char bracket) {
    if (levels_.size() == kMaxDepth) {
      throw SyntaxError(place, fmt::format("nested deeper than {} levels", kMaxDepth));
    }
    require_spaces(place);
    refuse_tag(place);
    Level level;
    level.node.kind = kind;
    level.node.place = place;
    // `[a: 1]` and an unfinished `[` start maps that have no bracket of their own.
    const std::size_t at = source_.offset(place.line, place.column);
    if (at < source_.text().size() && source_.text()[at] == bracket) level.bracket = bracket;
    levels_.push_back(std::move(level));
  }

  void pop() {
    Node done = std::move(levels_.back().node);
    levels_.pop_back();
    add(std::move(done));
  }

  void add(Node node) {
    if (levels_.empty()) {
      root_ = std::move(node);
    } else if (Level& level = levels_.back(); level.node.kind == Node::Kind::list) {
      level.node.items.push_back(std::move(node));
    } else if (!level.has_key) {
      take_key(level, node);
    } else {
      level.has_key = false;
      if (!level.keeps_value) return;
      // The parser places a missing value wherever it noticed.
      if (node.kind == Node::Kind::null) node.place = level.key_place;
      level.node.entries.push_back({std::move(level.key), level.key_place, std::move(node)});
    }
  }

  void take_key(Level& level, const Node& node) {
    level.has_key = true;
    level.key = node.text;
    level.key_place = node.place;
    level.keeps_value = node.kind == Node::Kind::scalar;
    if (node.kind == Node::Kind::refused) return;
    if (node.kind == Node::Kind::null) {
      problems_.add(node.place, "a key is missing before ':'");
    } else if (node.kind != Node::Kind::scalar) {
      problems_.add(node.place, "a key must be plain text, not a map or a list");
    } else if (node.text == "<<" && !node.quoted) {
      problems_.add(node.place, "merge keys (<<) are not accepted; write the keys out");
      level.keeps_value = false;
    } else if (const auto [first, is_new] =
                   level.line_of_key.try_emplace(node.text, node.place.line);
               !is_new) {
      problems_.add(node.place, fmt::format("duplicate key '{}'; line {} already sets it",
                                            brief(dotted_key()), first->second));
      level.keeps_value = false;
    }
  }

  [[nodiscard]] std::string dotted_key() const {
    std::string path;
    for (const Level& level : levels_) {
      if (level.node.kind != Node::Kind::map) continue;
      if (!path.empty()) path += '.';
      path += level.key;
    }
    return path;
  }

  bool refuse_tag(const Place& place) {
    const std::size_t at = source_.offset(place.line, place.column);
    if (at >= source_.text().size() || source_.text()[at] != '!') return false;
    problems_.add(place, "tags (!name) are not accepted; write the value without it");
    return true;
  }

  [[noreturn]] void refuse_second_document(const Place& place) const {
    if (source_.line(place.line).starts_with("---")) {
      throw SyntaxError(place, "a second document; one file holds one configuration");
    }
    throw SyntaxError(place,
                      "this does not belong to the document above; check the indentation of both");
  }

  void require_spaces(const Place& place) const {
    const std::string_view line = source_.line(place.line);
    const std::string_view indent = line.substr(0, line.find_first_not_of(" \t"));
    if (const std::size_t tab = indent.find('\t'); tab < indent.size()) {
      throw SyntaxError({Place::In::document, place.line, static_cast<int>(tab) + 1},
                        "a tab in the indentation; use spaces");
    }
  }

  // A quote that is not closed swallows the rest of the file without a word from the parser.
  void require_closing_quote(const Place& place) const {
    const std::string_view rest = source_.line(place.line).substr(place.column - 1);
    const char quote = rest.front();
    for (std::size_t i = 1; i < rest.size(); ++i) {
      if (quote == '"' && rest[i] == '\\') {
        ++i;
      } else if (rest[i] == quote) {
        if (quote == '"' || i + 1 >= rest.size() || rest[i + 1] != quote) return;
        ++i;
      }
    }
    throw SyntaxError(place, fmt::format("this text does not end on its line; close it with {} or "
                                         "start a block of lines with '|'",
                                         quote));
  }

  // A plain value that goes on over lines is nearly always a line that was meant as a key.
  [[noreturn]] void refuse_continuation(const Place& place) const {
    int line = place.line + 1;
    const auto column = [&] {
      return source_.line(line).find_first_not_of(" \t") + 1;  // 0 where there is none
    };
    const std::size_t end = source_.text().size();
    while (column() == 0 && source_.offset(line, 1) < end) ++line;
    const Place next{Place::In::document, line, static_cast<int>(column())};
    if (const std::vector<OpenBracket> open = open_brackets(); !open.empty()) {
      throw unclosed(open.back(), next, source_);
    }
    throw SyntaxError(next, fmt::format("this line continues the value on line {}; check its "
                                        "indentation, or put a long text in a block after '|'",
                                        place.line));
  }

  const Source& source_;
  Problems& problems_;
  std::vector<Level> levels_;
  Node root_;
  bool seen_document_ = false;
};

std::optional<Node> parse_events(const Source& source, Problems& problems) {
  TreeBuilder builder(source, problems);
  std::istringstream stream{std::string(source.text())};
  try {
    YAML::Parser parser(stream);
    while (parser.HandleNextDocument(builder)) {
    }
    return builder.take_root();
  } catch (const SyntaxError& error) {
    problems.add(error.place(), error.what());
  } catch (const YAML::Exception& exception) {
    const SyntaxError error = explain(exception, source, builder.open_brackets());
    problems.add(error.place(), error.what());
  }
  return std::nullopt;
}

Place place_at(const Source& source, std::size_t offset) {
  int line = 1;
  while (source.offset(line + 1, 1) <= offset &&
         source.offset(line + 1, 1) < source.text().size()) {
    ++line;
  }
  return {Place::In::document, line, static_cast<int>(offset - source.offset(line, 1)) + 1};
}

}  // namespace

std::optional<Node> parse_document(const Source& source, Problems& problems) {
  // The parser takes byte 4 for the end of the text and reads other encodings by guess.
  if (const std::optional<TextFault> fault = find_text_fault(source.text())) {
    problems.add(place_at(source, fault->offset), fault->message);
    return std::nullopt;
  }
  std::optional<Node> root = parse_events(source, problems);
  const bool is_sections = !root || root->kind == Node::Kind::map || root->kind == Node::Kind::null;
  if (is_sections) return root;
  if (root->kind != Node::Kind::refused) {
    problems.add(root->place,
                 "the top level must be 'key: value' lines, with a space after the colon");
  }
  return std::nullopt;
}

}  // namespace softmoe::config
