#include "runtime/metrics/process_numbers.h"

#include <unistd.h>

#include <charconv>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>
#include <string>
#include <system_error>

namespace softmoe::metrics {
namespace {

// Fields of /proc/PID/stat after the command's name, as proc(5) numbers them.
constexpr int kFirstAfterName = 3;
constexpr int kUserTicks = 14;
constexpr int kSystemTicks = 15;
constexpr int kStartTicks = 22;

constexpr std::string_view kBlanks = " \t\n";

/// Takes the next word off the front of `text`; empty at its end.
std::string_view take_word(std::string_view& text) {
  text.remove_prefix(std::min(text.find_first_not_of(kBlanks), text.size()));
  const std::string_view word = text.substr(0, text.find_first_of(kBlanks));
  text.remove_prefix(word.size());
  return word;
}

std::optional<double> number(std::string_view word) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
  if (error != std::errc() || end != word.data() + word.size()) return std::nullopt;
  return static_cast<double>(value);
}

/// The words after `key` in the line that begins with it.
std::optional<std::string_view> line_of(std::string_view text, std::string_view key) {
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    if (line.starts_with(key)) return line.substr(key.size());
    text.remove_prefix(std::min(line.size() + 1, text.size()));
  }
  return std::nullopt;
}

std::optional<double> number_of(std::string_view text, std::string_view key) {
  std::optional<std::string_view> line = line_of(text, key);
  return line ? number(take_word(*line)) : std::nullopt;
}

std::optional<double> bytes_of(std::string_view text, std::string_view key) {
  const std::optional<double> kibibytes = number_of(text, key);
  return kibibytes ? std::optional(*kibibytes * 1024) : std::nullopt;
}

std::optional<double> soft_limit_of(std::string_view text, std::string_view key) {
  std::optional<std::string_view> line = line_of(text, key);
  if (!line) return std::nullopt;
  const std::string_view word = take_word(*line);
  return word == "unlimited" ? std::numeric_limits<double>::infinity() : number(word);
}

void read_stat(const ProcessFiles& files, ProcessNumbers& numbers) {
  // The command's name stands in parentheses and may hold any byte, parentheses among them; after
  // the last one there are words only.
  const std::size_t name_end = files.stat.rfind(')');
  if (name_end == std::string_view::npos || !(files.ticks_per_second > 0)) return;
  std::string_view rest = files.stat.substr(name_end + 1);
  std::optional<double> user;
  std::optional<double> system;
  std::optional<double> start;
  for (int field = kFirstAfterName; field <= kStartTicks; ++field) {
    const std::string_view word = take_word(rest);
    if (field == kUserTicks) user = number(word);
    if (field == kSystemTicks) system = number(word);
    if (field == kStartTicks) start = number(word);
  }
  if (user && system) numbers.cpu_seconds = (*user + *system) / files.ticks_per_second;
  const std::optional<double> boot = number_of(files.system_stat, "btime ");
  if (start && boot) numbers.start_time_seconds = *boot + *start / files.ticks_per_second;
}

std::string text_of(const char* path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

std::optional<double> count_open_fds() {
  std::error_code error;
  std::filesystem::directory_iterator entry("/proc/self/fd", error);
  double count = 0;
  for (; !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) ++count;
  // One of them is that of the listing itself.
  return error ? std::nullopt : std::optional(count - 1);
}

}  // namespace

ProcessNumbers parse_process(const ProcessFiles& files) {
  ProcessNumbers numbers;
  numbers.resident_bytes = bytes_of(files.status, "VmRSS:");
  numbers.virtual_bytes = bytes_of(files.status, "VmSize:");
  numbers.threads = number_of(files.status, "Threads:");
  numbers.max_fds = soft_limit_of(files.limits, "Max open files");
  read_stat(files, numbers);
  return numbers;
}

ProcessNumbers look_up_process() {
  const std::string stat = text_of("/proc/self/stat");
  const std::string status = text_of("/proc/self/status");
  const std::string limits = text_of("/proc/self/limits");
  const std::string system_stat = text_of("/proc/stat");
  ProcessNumbers numbers =
      parse_process({.stat = stat,
                     .status = status,
                     .limits = limits,
                     .system_stat = system_stat,
                     .ticks_per_second = static_cast<double>(::sysconf(_SC_CLK_TCK))});
  numbers.open_fds = count_open_fds();
  return numbers;
}

}  // namespace softmoe::metrics
