// What happened, and what the run was told.

#include <fmt/format.h>

#include <sstream>

#include "training/report/sections.h"

namespace softmoe::training {

namespace {

void write_row(Markup& page, const NumberedEvent& each) {
  const RunEvent& event = each.event;
  const auto row = page.element("tr");
  page.leaf("td", each.label);
  page.leaf("td", std::to_string(event.step));
  page.leaf("td", event.time);
  page.leaf("td", event.name);
  page.leaf("td", event.details);
}

/// One line of config.yaml: what the user set stands out, the origin steps back.
void write_config_line(Markup& page, const std::string& line) {
  constexpr std::string_view kOrigin = " # ";
  const std::size_t at = line.rfind(kOrigin);
  if (at == std::string::npos) {
    page.text(line + "\n");
    return;
  }
  const std::string value = line.substr(0, at);
  const std::string origin = line.substr(at);
  if (origin == " # default") {
    page.text(value);
  } else {
    page.leaf("mark", value);
  }
  page.leaf("span", {{"class", "from"}}, origin);
  page.text("\n");
}

}  // namespace

void write_events(Markup& page, const PageParts& parts) {
  const RunHistory& history = parts.history;
  const auto section = page.element("section", {{"id", "events"}});
  page.leaf("h2", "Events");
  std::string lead = "Numbers are those of the dashed marks on the charts.";
  if (!history.first_set_points.empty()) {
    lead += " The run began with the set-points " + history.first_set_points + ".";
  }
  lead += fmt::format(" {} evaluations are the points on the chart of the loss.",
                      history.num_validations);
  const std::int64_t left_out = history.events.left_out() + history.set_points.left_out();
  if (left_out > 0) lead += fmt::format(" {} events in between are left out.", left_out);
  page.leaf("p", lead);
  const auto scroll = page.element("div", {{"class", "scroll"}});
  const auto table = page.element("table", {{"class", "events"}});
  {
    const auto head = page.element("tr");
    for (const char* column : {"mark", "step", "time (UTC)", "event", "what"}) {
      page.leaf("th", {{"scope", "col"}}, column);
    }
  }
  for (const NumberedEvent& each : parts.events) write_row(page, each);
}

void write_configuration(Markup& page, const PageParts& parts) {
  if (parts.history.config_yaml.empty()) return;
  const auto section = page.element("section", {{"id", "configuration"}});
  page.leaf("h2", "Configuration");
  const auto details = page.element("details");
  page.leaf("summary", "config.yaml: every value with its origin; what was set stands out");
  const auto block = page.element("pre");
  std::istringstream lines(parts.history.config_yaml);
  for (std::string line; std::getline(lines, line);) write_config_line(page, line);
}

}  // namespace softmoe::training
