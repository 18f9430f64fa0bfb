#include "tests/unit/training_report/run_files.h"

#include <fmt/format.h>

#include <fstream>
#include <set>

#include "runtime/storage/posix_file_system.h"

namespace softmoe::training {

namespace {

using nlohmann::json;

json layer_object(int experts) {
  return {{"k", 2.0},
          {"experts_per_token", 1.9},
          {"boundary_mass", 0.8},
          {"imbalance", 1.25},
          {"dead_experts", 1},
          {"margin_median", 0.4},
          {"loads", std::vector<int>(static_cast<std::size_t>(experts), 4)}};
}

bool is_name(std::string_view text) {
  return !text.empty() && text.find_first_not_of(
                              "abcdefghijklmnopqrstuvwxyz"
                              "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-") == std::string_view::npos;
}

/// What is wrong with ` name="value"` again and again, or nothing.
std::string broken_attributes(std::string_view text) {
  std::set<std::string_view> names;
  while (!text.empty()) {
    const std::size_t equals = text.find("=\"");
    const std::size_t end = text.find('"', equals + 2);
    if (text[0] != ' ' || equals == std::string_view::npos || end == std::string_view::npos) {
      return "no attribute: " + std::string(text.substr(0, 80));
    }
    const std::string_view name = text.substr(1, equals - 1);
    if (!is_name(name)) return "no name: " + std::string(name.substr(0, 80));
    if (!names.insert(name).second) return "twice the same attribute: " + std::string(name);
    text.remove_prefix(end + 1);
  }
  return "";
}

}  // namespace

json step_object(std::int64_t step, int layers, int experts) {
  json all = json::array();
  for (int layer = 0; layer < layers; ++layer) all.push_back(layer_object(experts));
  return {{"step", step},
          {"loss", 8.0 - 0.01 * static_cast<double>(step)},
          {"balance_loss", 0.2},
          {"tokens", 2048},
          {"seconds", 0.5},
          {"tokens_per_second", 4096.0},
          {"mfu_ratio", 0.4},
          {"gradient_norm", 0.5},
          {"clip_factor", 1.0},
          {"skipped", false},
          {"learning_rate", 1e-3},
          {"budget_target", 8.0},
          {"budget_used", 8.1},
          {"lambda", 0.1},
          {"alpha", 1.0},
          {"layers", all},
          {"phase_seconds_rank0", {{"attention", 0.2}, {"experts", 0.3}}}};
}

RunFiles& RunFiles::add(const std::string& file, const std::string& text) {
  std::ofstream(folder_ / file, std::ios::binary | std::ios::app) << text;
  return *this;
}

RunFiles& RunFiles::add_steps(int steps, int layers, int experts) {
  for (int step = 0; step < steps; ++step) {
    add("metrics.jsonl", step_object(step, layers, experts).dump() + "\n");
  }
  return *this;
}

RunHistory RunFiles::read() const {
  storage::PosixFileSystem files;
  return read_run_history(files, folder_.path());
}

RunFacts some_facts() {
  return {.name = "runs/test", .made_by = "softmoe 1", .made_at = "2026-01-01T00:00:00Z"};
}

std::string broken_nesting(const std::string& html) {
  std::vector<std::string> open;
  std::size_t at = html.find('>') + 1;  // behind <!DOCTYPE html>
  while ((at = html.find('<', at)) != std::string::npos) {
    const std::size_t end = html.find('>', at);
    if (end == std::string::npos) return "a tag without its end";
    std::string_view tag = std::string_view(html).substr(at + 1, end - at - 1);
    at = end + 1;
    if (tag.starts_with("/")) {
      if (open.empty() || open.back() != tag.substr(1)) {
        return "closes what is not open: " + std::string(tag.substr(0, 80));
      }
      open.pop_back();
      continue;
    }
    const bool closes_itself = tag.ends_with("/");
    if (closes_itself) tag.remove_suffix(1);
    const std::string name(tag.substr(0, tag.find(' ')));
    if (!is_name(name)) return "no tag: " + name.substr(0, 80);
    std::string broken = broken_attributes(tag.substr(name.size()));
    if (!broken.empty()) return broken;
    if (closes_itself) continue;
    open.push_back(name);
    if (name == "style" || name == "script") at = html.find("</" + name, at);
  }
  return open.empty() ? "" : "never closed: " + open.back();
}

testing::AssertionResult has(const std::string& page, const std::string& part) {
  if (page.find(part) != std::string::npos) return testing::AssertionSuccess();
  return testing::AssertionFailure() << "not on the page: " << part;
}

testing::AssertionResult lacks(const std::string& page, const std::string& part) {
  const std::size_t at = page.find(part);
  if (at == std::string::npos) return testing::AssertionSuccess();
  return testing::AssertionFailure()
         << "on the page: " << page.substr(at - std::min<std::size_t>(at, 80), 160);
}

int count_of(const std::string& part, const std::string& text) {
  int count = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) {
    ++count;
  }
  return count;
}

}  // namespace softmoe::training
