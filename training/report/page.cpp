#include "training/report/page.h"

#include <fmt/format.h>

#include "training/report/markup.h"
#include "training/report/page_style.h"
#include "training/report/sections.h"

namespace softmoe::training {

namespace {

// The page may load nothing from anywhere.
constexpr const char* kPolicy =
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'";

void write_head(Markup& page, const RunFacts& facts) {
  const auto head = page.element("head");
  page.empty("meta", {{"charset", "utf-8"}});
  page.empty("meta", {{"name", "viewport"}, {"content", "width=device-width, initial-scale=1"}});
  page.empty("meta", {{"http-equiv", "Content-Security-Policy"}, {"content", kPolicy}});
  page.leaf("title", facts.name + " – softmoe report");
  const auto style = page.element("style");
  page.verbatim(page_style());
}

std::vector<ChartMark> marks_of(const std::vector<NumberedEvent>& events) {
  std::vector<ChartMark> marks;
  for (const auto& [event, label] : events) {
    if (label.empty()) continue;
    marks.push_back({.step = static_cast<double>(event.step),
                     .label = label,
                     .meaning = event.name + " " + event.details});
  }
  return marks;
}

void write_main(Markup& page, const PageParts& parts) {
  const auto main = page.element("main");
  write_summary(page, parts);
  if (parts.history.num_steps > 0) {
    write_loss(page, parts);
    write_budget(page, parts);
    if (!parts.history.layers.empty()) {
      write_layers(page, parts);
      write_usage(page, parts);
      write_softness(page, parts);
    }
    write_speed(page, parts);
    write_optimisation(page, parts);
  }
  write_events(page, parts);
  write_configuration(page, parts);
  page.leaf("footer",
            fmt::format("Made by {} at {} from {} steps. Curves of long runs are drawn "
                        "from means of neighbouring steps, their shades from the least "
                        "and the greatest.",
                        parts.facts.made_by, parts.facts.made_at, parts.history.num_steps));
}

}  // namespace

std::string report_page(const RunHistory& history, const RunFacts& facts) {
  const std::vector<NumberedEvent> events = numbered_events(history);
  const std::vector<ChartMark> marks = marks_of(events);
  Markup page;
  page.verbatim("<!DOCTYPE html>\n");
  {
    const auto html = page.element("html", {{"lang", "en"}});
    write_head(page, facts);
    const auto body = page.element("body");
    write_main(page, {.history = history, .facts = facts, .events = events, .marks = marks});
    const auto script = page.element("script");
    page.verbatim(page_script());
  }
  return page.html();
}

}  // namespace softmoe::training
