// The head of the page: what run this is, how it ended, and its numbers.

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "training/report/sections.h"

namespace softmoe::training {

namespace {

struct Tile {
  std::string name;
  std::string value;
  std::string more;
};

std::string duration(double seconds) {
  const auto whole = static_cast<std::int64_t>(std::llround(seconds));
  if (whole >= 3600) return fmt::format("{} h {:02} min", whole / 3600, whole / 60 % 60);
  if (whole >= 60) return fmt::format("{} min {:02} s", whole / 60, whole % 60);
  return fmt::format("{:.3g} s", seconds);
}

std::string perplexity(double loss) {
  return std::isfinite(loss) ? "perplexity " + short_number(std::exp(loss)) : "";
}

/// So many last steps make a mean that is steadier than one step.
std::int64_t last_steps(const RunHistory& history) {
  return std::min<std::int64_t>(history.num_steps, 20);
}

Tile validation_tile(const RunHistory& history) {
  if (history.validation.is_empty()) return {"Validation loss", "–", "not evaluated yet"};
  const double loss = history.validation.last();
  return {"Validation loss", fmt::format("{:.4f}", loss),
          fmt::format("nats per token; {}; after step {}", perplexity(loss),
                      history.validation.last_step())};
}

Tile training_tile(const RunHistory& history) {
  const std::int64_t steps = last_steps(history);
  const double loss = mean_of_last(history.loss, steps);
  if (!std::isfinite(loss)) return {"Training loss", "–", "no step had a finite loss"};
  return {"Training loss", fmt::format("{:.4f}", loss),
          fmt::format("{}; mean of the last {} steps, the very last {:.4f}", perplexity(loss),
                      steps, history.loss.last())};
}

Tile budget_tile(const RunHistory& history) {
  const std::int64_t steps = last_steps(history);
  const double used = mean_of_last(history.budget_used, steps);
  if (!std::isfinite(used)) return {"Experts per token", "–", "no step had a finite number"};
  return {"Experts per token", fmt::format("{:.3f}", used),
          fmt::format("over all layers, mean of the last {} steps; the budget is {}", steps,
                      short_number(history.budget_target.last()))};
}

Tile speed_tile(const RunHistory& history) {
  const auto median = history.tokens_per_second_median.value();
  return {"Tokens per second", median ? short_number(*median) : "–",
          "median of all steps, all ranks together"};
}

Tile parameters_tile(const RunFacts& facts) {
  if (!facts.parameters) return {"Parameters", "–", "config.yaml does not tell"};
  return {
      "Parameters", short_number(static_cast<double>(*facts.parameters)),
      facts.of_experts ? short_number(static_cast<double>(*facts.of_experts)) + " in experts" : ""};
}

std::vector<Tile> tiles_of(const PageParts& parts) {
  const RunHistory& history = parts.history;
  const std::string planned =
      parts.facts.planned_steps ? fmt::format(" of {}", *parts.facts.planned_steps) : "";
  std::vector<Tile> tiles;
  if (history.num_steps > 0) {
    tiles = {validation_tile(history), training_tile(history), budget_tile(history),
             speed_tile(history)};
  }
  tiles.push_back({"Steps", fmt::format("{}{}", history.num_steps, planned),
                   fmt::format("{} of them skipped", std::llround(history.skipped.total().sum))});
  tiles.push_back({"Tokens", short_number(static_cast<double>(history.tokens)), "trained on"});
  tiles.push_back(parameters_tile(parts.facts));
  tiles.push_back({"Ranks", history.ranks ? std::to_string(*history.ranks) : "–",
                   history.ranks ? "" : "the start event does not tell"});
  return tiles;
}

void write_badge(Markup& page, const RunHistory& history) {
  if (history.end == "done") {
    page.leaf("span", {{"class", "badge good"}}, "finished");
  } else if (history.end == "drained") {
    page.leaf("span", {{"class", "badge warn"}}, "saved and left as asked");
  } else {
    page.leaf("span", {{"class", "badge warn"}}, "no end on record: running, or killed");
  }
}

void write_remarks(Markup& page, const RunHistory& history) {
  std::vector<std::string> remarks = history.remarks;
  if (history.num_steps == 0) {
    remarks.insert(remarks.begin(),
                   "No step has ended yet, so there is nothing to draw. Run `softmoe report` again "
                   "later.");
  }
  const std::int64_t gaps = history.loss.total().missing;
  if (gaps > 0) {
    remarks.push_back(fmt::format(
        "{} steps had a loss that was not finite: they are gaps in the curves, and red points.",
        gaps));
  }
  if (remarks.empty()) return;
  const auto note = page.element("aside", {{"class", "note"}});
  const auto list = page.element("ul");
  for (const std::string& remark : remarks) page.leaf("li", remark);
}

}  // namespace

void write_summary(Markup& page, const PageParts& parts) {
  const RunHistory& history = parts.history;
  const auto header = page.element("header");
  {
    const auto heading = page.element("h1");
    page.text(parts.facts.name + " ");
    write_badge(page, history);
  }
  std::string when = history.started.empty() ? "Start not on record" : "Started " + history.started;
  if (!history.last_event.empty()) when += ", last event " + history.last_event;
  page.leaf("p", {{"class", "lead"}}, when + "; " + duration(history.seconds) + " in steps.");
  write_remarks(page, history);
  const auto list = page.element("dl", {{"class", "tiles"}});
  for (const Tile& tile : tiles_of(parts)) {
    const auto box = page.element("div", {{"class", "tile"}});
    page.leaf("dt", tile.name);
    page.leaf("dd", {{"class", "value"}}, tile.value);
    page.leaf("dd", {{"class", "more"}}, tile.more);
  }
}

}  // namespace softmoe::training
