#include "tests/unit/runtime_metrics/page_check.h"

#include <cstdlib>
#include <sstream>
#include <stdexcept>
#include <string_view>

namespace softmoe::metrics {
namespace {

/// A line, from its front.
class Line {
 public:
  explicit Line(std::string_view text) : rest_(text) {}

  void expect(bool holds) const {
    if (!holds) throw std::runtime_error("no line of a page, at: " + std::string(rest_));
  }
  bool take(char wanted) {
    if (rest_.empty() || rest_.front() != wanted) return false;
    rest_.remove_prefix(1);
    return true;
  }
  void take_name() {
    const std::size_t length = std::min(
        rest_.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_:"),
        rest_.size());
    expect(length > 0 && !(rest_[0] >= '0' && rest_[0] <= '9'));
    rest_.remove_prefix(length);
  }
  void take_quoted() {
    expect(take('"'));
    while (!take('"')) {
      if (take('\\'))
        expect(!rest_.empty() &&
               std::string_view("\\\"n").find(rest_[0]) != std::string_view::npos);
      expect(!rest_.empty());
      rest_.remove_prefix(1);
    }
  }
  [[nodiscard]] std::string_view rest() const { return rest_; }

 private:
  std::string_view rest_;
};

Sample sample_of(const std::string& text) {
  Line line(text);
  line.take_name();
  if (line.take('{')) {
    do {
      line.take_name();
      line.expect(line.take('='));
      line.take_quoted();
    } while (line.take(','));
    line.expect(line.take('}'));
  }
  Sample sample{.series = text.substr(0, text.size() - line.rest().size())};
  line.expect(line.take(' '));
  const std::string value(line.rest());
  char* end = nullptr;
  sample.value = std::strtod(value.c_str(), &end);
  line.expect(!value.empty() && *end == '\0');
  return sample;
}

}  // namespace

std::vector<Sample> samples_of(const std::string& page) {
  if (page.empty() || page.back() != '\n') throw std::runtime_error("the page does not end");
  std::vector<Sample> samples;
  std::istringstream lines(page);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("# HELP ") || line.starts_with("# TYPE ")) continue;
    samples.push_back(sample_of(line));
  }
  return samples;
}

}  // namespace softmoe::metrics
