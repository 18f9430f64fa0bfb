#include "tests/dashboards/promql.h"

#include <fmt/format.h>

#include <cctype>
#include <stdexcept>

namespace softmoe::test {

namespace {

const std::set<std::string> kLabelLists = {"by",       "without",    "on",
                                           "ignoring", "group_left", "group_right"};
const std::set<std::string> kWords = {"and", "or", "unless", "bool", "offset", "inf", "nan"};

bool is_of_name(char letter) {
  return std::isalnum(static_cast<unsigned char>(letter)) != 0 || letter == '_' || letter == ':';
}

/// Reads from the left; `function_` is a stack of what stands before each open parenthesis.
class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  Reads read() {
    for (skip_spaces(); !is_at_end(); skip_spaces()) read_one();
    if (!functions_.empty()) fail("a parenthesis is not closed");
    if (reads_.selectors.empty()) fail("nothing is read");
    return reads_;
  }

 private:
  void read_one() {
    const char next = peek();
    if (next == '"' || next == '\'' || next == '`') {
      (void)quoted();
    } else if (std::isdigit(static_cast<unsigned char>(next)) != 0 || next == '.') {
      while (!is_at_end() && (is_of_name(peek()) || peek() == '.')) ++at_;
    } else if (is_of_name(next)) {
      read_word();
    } else if (next == '{') {
      read_selector("");
    } else if (next == '(') {
      open("");
    } else if (next == ')') {
      close();
    } else if (std::string_view("+-*/%^=<>!,@").find(next) != std::string_view::npos) {
      ++at_;
    } else {
      fail(fmt::format("'{}' is not expected here", next));
    }
  }

  void read_word() {
    const std::string word = name();
    skip_spaces();
    if (kLabelLists.contains(word)) {
      if (!is_at_end() && peek() == '(') read_labels();
    } else if (!is_at_end() && peek() == '(') {
      open(word);
    } else if (starts_label_list()) {
      pending_ = word;  // sum by (label) (...)
    } else if (!kWords.contains(word)) {
      read_selector(word);
    }
  }

  void read_labels() {
    ++at_;
    for (skip_spaces(); !is_at_end() && peek() != ')'; skip_spaces()) {
      if (peek() == ',') {
        ++at_;
      } else {
        reads_.labels.insert(name());
      }
    }
    expect(')');
    skip_spaces();
    if (!pending_.empty() && !is_at_end() && peek() == '(') open(pending_);
    pending_.clear();
  }

  void read_selector(const std::string& metric) {
    Selector selector{.metric = metric,
                      .matchers = {},
                      .range = {},
                      .function = functions_.empty() ? std::string() : functions_.back()};
    skip_spaces();
    if (!is_at_end() && peek() == '{') read_matchers(selector);
    skip_spaces();
    if (!is_at_end() && peek() == '[') {
      const auto end = text_.find(']', at_);
      if (end == std::string_view::npos) fail("a range is not closed");
      selector.range = text_.substr(at_ + 1, end - at_ - 1);
      at_ = end + 1;
    }
    reads_.selectors.push_back(selector);
  }

  void read_matchers(Selector& selector) {
    expect('{');
    for (skip_spaces(); !is_at_end() && peek() != '}'; skip_spaces()) {
      Matcher matcher{.label = name(), .op = {}, .value = {}};
      skip_spaces();
      while (!is_at_end() && std::string_view("=!~").find(peek()) != std::string_view::npos) {
        matcher.op += text_[at_++];
      }
      const std::set<std::string> operators = {"=", "!=", "=~", "!~"};
      if (!operators.contains(matcher.op)) fail("no matcher: " + matcher.label + matcher.op);
      skip_spaces();
      matcher.value = quoted();
      selector.matchers.push_back(matcher);
      skip_spaces();
      if (!is_at_end() && peek() == ',') ++at_;
    }
    expect('}');
  }

  std::string quoted() {
    if (is_at_end() || std::string_view("\"'`").find(peek()) == std::string_view::npos) {
      fail("a quoted text is missing");
    }
    const char quote = text_[at_++];
    std::string value;
    while (!is_at_end() && peek() != quote) {
      if (peek() == '\\' && quote != '`') value += text_[at_++];
      if (!is_at_end()) value += text_[at_++];
    }
    expect(quote);
    return value;
  }

  std::string name() {
    const auto begin = at_;
    while (!is_at_end() && is_of_name(peek())) ++at_;
    if (at_ == begin) fail("a name is missing");
    return std::string(text_.substr(begin, at_ - begin));
  }

  bool starts_label_list() const {
    return text_.substr(at_).starts_with("by") || text_.substr(at_).starts_with("without");
  }

  void open(const std::string& function) {
    expect('(');
    functions_.push_back(function);
  }
  void close() {
    if (functions_.empty()) fail("a parenthesis was not opened");
    functions_.pop_back();
    ++at_;
  }
  void expect(char wanted) {
    if (is_at_end() || peek() != wanted) fail(fmt::format("'{}' is missing", wanted));
    ++at_;
  }
  void skip_spaces() {
    while (!is_at_end() && std::isspace(static_cast<unsigned char>(peek())) != 0) ++at_;
  }
  [[nodiscard]] bool is_at_end() const { return at_ >= text_.size(); }
  [[nodiscard]] char peek() const { return text_[at_]; }
  [[noreturn]] void fail(const std::string& what) const {
    throw std::invalid_argument(fmt::format("{} at column {} of {}", what, at_ + 1, text_));
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::vector<std::string> functions_;
  std::string pending_;
  Reads reads_;
};

}  // namespace

std::string Selector::text() const {
  std::string inner;
  for (const Matcher& matcher : matchers) {
    inner += fmt::format("{}{}{}\"{}\"", inner.empty() ? "" : ", ", matcher.label, matcher.op,
                         matcher.value);
  }
  return fmt::format("{}{{{}}}", metric, inner);
}

Reads reads_of(std::string_view expression) {
  return Reader(expression).read();
}

}  // namespace softmoe::test
