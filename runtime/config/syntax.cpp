#include "runtime/config/syntax.h"

#include <fmt/format.h>
#include <yaml-cpp/exceptions.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "runtime/config/text.h"

namespace softmoe::config {
namespace {

constexpr std::string_view kBlanks = " \t";

Place in_document(int line, int column) {
  return {Place::In::document, line, column};
}

// The first column that is not blank, from 1; 0 for a line of blanks or a comment.
int first_column(std::string_view line) {
  const std::size_t at = line.find_first_not_of(kBlanks);
  return at == std::string_view::npos || line[at] == '#' ? 0 : static_cast<int>(at) + 1;
}

bool starts_its_line(const Source& source, const Place& place) {
  return first_column(source.line(place.line)) == place.column;
}

bool has_value_sign(std::string_view text) {
  return text.find(": ") != std::string_view::npos || text.ends_with(':');
}

// A ':' that makes no sense. Either the second on its line, or its key was swallowed by a line
// above that is no `key: value`, or its line is indented beneath a value.
SyntaxError explain_value_sign(const Place& place, const Source& source) {
  const std::string_view line = source.line(place.line);
  if (has_value_sign(line.substr(0, std::max(place.column, 1) - 1))) {
    return {place, "a second ': ' on one line; put the text that holds it in quotes"};
  }
  int above = place.line - 1;
  while (above > 0 && first_column(source.line(above)) == 0) --above;
  if (above > 0 && !has_value_sign(source.line(above))) {
    return {in_document(above, first_column(source.line(above))),
            "expected 'key: value', with a space after the colon"};
  }
  return {in_document(place.line, std::max(first_column(line), 1)),
          "this line is neither a neighbour of the lines above nor beneath a key; check its "
          "indentation"};
}

SyntaxError explain_end_of_block(const Place& place, const Source& source) {
  if (!starts_its_line(source, place)) {
    return {place, "unexpected text after the value; put all of it in quotes"};
  }
  const std::string_view rest = source.line(place.line).substr(place.column - 1);
  if (rest.starts_with("- ") || rest == "-") {
    return {place, "a list item among keys; check its indentation"};
  }
  return {place, "this indentation matches no line above"};
}

// The parser reads on to the end of an escape before it complains.
Place escape_before(const Place& place, const Source& source) {
  const std::string_view line = source.line(place.line);
  const std::size_t at = line.substr(0, std::max(place.column, 1) - 1).rfind('\\');
  return at == std::string_view::npos ? place : in_document(place.line, static_cast<int>(at) + 1);
}

bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

struct Meaning {
  std::string_view of_parser;
  std::string_view for_users;
};

// Complaints whose place is right and that only lack the cure.
const std::array kMeanings = {
    Meaning{YAML::ErrorMsg::UNKNOWN_ANCHOR, "aliases (*name) are not accepted; repeat the value"},
    Meaning{YAML::ErrorMsg::ALIAS_NOT_FOUND, "a value cannot start with '*'; put it in quotes"},
    Meaning{YAML::ErrorMsg::CHAR_IN_ALIAS, "a value cannot start with '*'; put it in quotes"},
    Meaning{YAML::ErrorMsg::ANCHOR_NOT_FOUND, "a value cannot start with '&'; put it in quotes"},
    Meaning{YAML::ErrorMsg::CHAR_IN_ANCHOR, "a value cannot start with '&'; put it in quotes"},
    Meaning{YAML::ErrorMsg::MULTIPLE_ANCHORS, "anchors (&name) are not accepted; write the value"},
    Meaning{YAML::ErrorMsg::MULTIPLE_TAGS, "tags (!name) are not accepted; write the value"},
    Meaning{YAML::ErrorMsg::END_OF_VERBATIM_TAG, "tags (!name) are not accepted; write the value"},
    Meaning{YAML::ErrorMsg::CHAR_IN_TAG_HANDLE, "tags (!name) are not accepted; write the value"},
    Meaning{YAML::ErrorMsg::TAG_WITH_NO_SUFFIX, "tags (!name) are not accepted; write the value"},
    Meaning{YAML::ErrorMsg::FLOW_END, "this bracket closes nothing"},
    Meaning{YAML::ErrorMsg::BLOCK_ENTRY,
            "a list cannot start here; put its items on lines of their own or write [a, b]"},
    Meaning{YAML::ErrorMsg::MAP_KEY, "'?' cannot start a value; put it in quotes"},
    Meaning{YAML::ErrorMsg::UNKNOWN_TOKEN,
            "a value cannot start with this character; put it in quotes"},
    Meaning{YAML::ErrorMsg::CHAR_IN_BLOCK,
            "only '|', '>' and their '+', '-' or an indentation may stand here; the text starts on "
            "the next line"},
};

}  // namespace

SyntaxError unclosed(const OpenBracket& open, const Place& place, const Source& source) {
  const char end = open.bracket == '[' ? ']' : '}';
  const std::string_view line = source.line(place.line);
  if (place.line == open.place.line && static_cast<std::size_t>(place.column) <= line.size() &&
      place.column > open.place.column) {
    return {place, fmt::format("expected ',' or '{}' here, for the '{}' in column {}", end,
                               open.bracket, open.place.column)};
  }
  return {open.place, fmt::format("this '{}' is never closed; add '{}'", open.bracket, end)};
}

SyntaxError explain(const YAML::Exception& error, const Source& source,
                    const std::vector<OpenBracket>& open_brackets) {
  if (error.mark.is_null()) return {in_document(0, 0), "cannot be read: " + error.msg};
  const Place place = in_document(error.mark.line + 1, error.mark.column + 1);
  const std::string& complaint = error.msg;

  if (!open_brackets.empty() && (complaint == YAML::ErrorMsg::END_OF_MAP_FLOW ||
                                 complaint == YAML::ErrorMsg::END_OF_SEQ_FLOW)) {
    return unclosed(open_brackets.back(), place, source);
  }
  if (complaint == YAML::ErrorMsg::MAP_VALUE) return explain_value_sign(place, source);
  if (complaint == YAML::ErrorMsg::END_OF_MAP || complaint == YAML::ErrorMsg::END_OF_SEQ) {
    return explain_end_of_block(place, source);
  }
  if (contains(complaint, YAML::ErrorMsg::INVALID_ESCAPE) ||
      contains(complaint, YAML::ErrorMsg::INVALID_UNICODE) ||
      complaint == YAML::ErrorMsg::INVALID_HEX) {
    return {escape_before(place, source),
            "this is no escape of YAML; write '\\\\' for a backslash or use single quotes"};
  }
  for (const Meaning& meaning : kMeanings) {
    if (complaint == meaning.of_parser) return {place, std::string(meaning.for_users)};
  }
  return {place, printable(complaint)};
}

}  // namespace softmoe::config
