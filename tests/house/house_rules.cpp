#include "tests/house/house_rules.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <functional>
#include <optional>
#include <regex>
#include <sstream>

namespace softmoe::test {
namespace {

std::string first_folder(std::string_view path) {
  return std::string(path.substr(0, path.find('/')));
}

bool is_test(const SourceFile& file) {
  return file.path.starts_with("tests/") || file.path.starts_with("bench/");
}

bool is_header(const SourceFile& file) {
  return file.path.ends_with(".h");
}

Offenders lines_where(
    const SourceFiles& files,
    const std::function<std::optional<std::string>(const SourceFile&, const std::string&)>&
        find_offence) {
  Offenders offenders;
  for (const SourceFile& file : files) {
    for (std::size_t i = 0; i < file.lines.size(); ++i) {
      if (const auto offence = find_offence(file, file.lines[i])) {
        offenders.push_back(fmt::format("{}:{}: {}", file.path, i + 1, *offence));
      }
    }
  }
  return offenders;
}

Offenders lines_matching(const SourceFiles& files, const std::regex& pattern) {
  return lines_where(files, [&](const SourceFile&, const std::string& line) {
    return std::regex_search(line, pattern) ? std::optional(line) : std::nullopt;
  });
}

/// What a line includes: the text between the quotes or brackets; `opening` is '"' or '<'.
std::optional<std::string> included_by(const std::string& line, char opening) {
  static const std::regex pattern(R"(^\s*#\s*include\s*(["<])([^">]+)[">])");
  std::smatch match;
  if (!std::regex_search(line, match, pattern) || match[1].str()[0] != opening) return std::nullopt;
  return match[2].str();
}

struct Library {
  std::string_view headers;  ///< regular expression over the included path
  std::string_view home;     ///< regular expression over the path of the file
};

constexpr std::array kLibraries = {
    Library{"^mpi\\.h$", "^parallel/mpi/"},
    Library{"^nccl\\.h$", "^parallel/nccl/"},
    Library{"^(cuda|cublas|cuda_runtime|curand|nvml|cooperative_groups)\\w*\\.(h|hpp)$", "/cuda/"},
    Library{"^(cblas|openblas_config|blis)\\.h$", "^runtime/ops/"},
    Library{"^(oneapi/dnnl/|dnnl\\.|omp\\.h$)", "^runtime/ops/"},
    Library{"^yaml-cpp/", "^runtime/config/"},
    Library{"^prometheus/", "^runtime/metrics/"},
    Library{"^boost/beast", "^runtime/metrics/"},
    Library{"^(grpc|grpcpp|google/protobuf)/", "^coordinator/"},
    Library{"^CLI/", "^launcher/"},
    Library{"^sentencepiece", "^tokenizer/"},
    Library{"^(gtest|gmock)/", "^tests/"},
};

std::string without_comments(const SourceFile& file) {
  std::string text;
  for (const std::string& line : file.lines) text += line.substr(0, line.find("//")) + "\n";
  return text;
}

bool is_inside(std::string_view name, std::string_view home) {
  return name == home || (name.starts_with(home) && name.substr(home.size()).starts_with("::"));
}

/// Whether the namespace opened by `match` in `text` holds nothing but forward declarations.
bool only_declares(const std::string& text, const std::smatch& match) {
  static const std::regex declarations(R"(^\s*((class|struct|enum class)\s+\w+\s*;\s*)+$)");
  const auto begin = static_cast<std::size_t>(match.position(0) + match.length(0));
  const std::size_t end = text.find('}', begin);
  return end != std::string::npos &&
         std::regex_match(text.substr(begin, end - begin), declarations);
}

}  // namespace

FolderOrder parse_folder_order(const SourceFile& house_cmake) {
  static const std::regex entry(R"re(^set\(SOFTMOE_USES_(\w+)\s+"?([\w ]*)"?\)$)re");
  FolderOrder order;
  for (const std::string& line : house_cmake.lines) {
    std::smatch match;
    if (!std::regex_match(line, match, entry)) continue;
    std::istringstream used(match[2].str());
    std::set<std::string>& uses = order[match[1].str()];
    for (std::string folder; used >> folder;) uses.insert(folder);
  }
  return order;
}

Offenders against_folder_order(const SourceFiles& files, const FolderOrder& order) {
  return lines_where(
      files, [&](const SourceFile& file, const std::string& line) -> std::optional<std::string> {
        const auto uses = order.find(first_folder(file.path));
        const auto header = included_by(line, '"');
        if (uses == order.end() || !header) return std::nullopt;
        const std::string used = first_folder(*header);
        if (used == uses->first || uses->second.contains(used)) return std::nullopt;
        return fmt::format("{}/ may not use {}/: {}", uses->first, used, line);
      });
}

Offenders against_library_homes(const SourceFiles& files) {
  Offenders offenders;
  for (const Library& library : kLibraries) {
    const std::regex headers{std::string(library.headers)};
    const std::regex home{std::string(library.home)};
    const auto strays = lines_where(
        files, [&](const SourceFile& file, const std::string& line) -> std::optional<std::string> {
          const auto system = included_by(line, '<');
          const auto header = system ? system : included_by(line, '"');
          if (is_test(file) || !header || !std::regex_search(*header, headers)) return std::nullopt;
          if (std::regex_search(file.path, home)) return std::nullopt;
          return fmt::format("the home of {} is {}", *header, library.home);
        });
    offenders.insert(offenders.end(), strays.begin(), strays.end());
  }
  return offenders;
}

Offenders against_rooted_includes(const SourceFiles& files) {
  std::set<std::string> paths;
  for (const SourceFile& file : files) paths.insert(file.path);
  return lines_where(files,
                     [&](const SourceFile&, const std::string& line) -> std::optional<std::string> {
                       const auto header = included_by(line, '"');
                       if (!header || paths.contains(*header) || header->ends_with(".pb.h"))
                         return std::nullopt;
                       return line;
                     });
}

Offenders against_pragma_once(const SourceFiles& files) {
  Offenders offenders;
  for (const SourceFile& file : files) {
    const bool has_it =
        std::find(file.lines.begin(), file.lines.end(), "#pragma once") != file.lines.end();
    if (is_header(file) && !has_it) offenders.push_back(file.path + ":1: no #pragma once");
  }
  return offenders;
}

Offenders against_file_sizes(const SourceFiles& files) {
  Offenders offenders;
  for (const SourceFile& file : files) {
    const std::size_t limit = is_test(file) ? 600 : 400;
    if (file.lines.size() > limit) {
      offenders.push_back(fmt::format("{}:{}: {} lines, the limit is {}; split it by idea",
                                      file.path, limit + 1, file.lines.size(), limit));
    }
  }
  return offenders;
}

Offenders against_preprocessor(const SourceFiles& files) {
  static const std::regex directive(R"(^\s*#\s*(if|ifdef|ifndef|elif|define|undef)\b)");
  // The emulation of CUDA for the host must look like CUDA to the sources it compiles.
  static const std::regex allowed(R"(^tests/gpu_emulation/)");
  SourceFiles checked;
  std::copy_if(files.begin(), files.end(), std::back_inserter(checked),
               [](const SourceFile& file) { return !std::regex_search(file.path, allowed); });
  return lines_matching(checked, directive);
}

Offenders against_kernel_rules(const SourceFiles& files) {
  struct Rule {
    std::regex offence;
    std::string_view home;  ///< the one file that may
  };
  static const Rule rules[] = {
      {std::regex("<<<"), ""},
      {std::regex(R"(\basm\b)"), ""},
      {std::regex(R"(\b__shared__\b)"), "runtime/device/cuda/shared_memory.h"},
      {std::regex(R"(\bcudaLaunchKernel)"), "runtime/device/cuda/launch.h"},
      {std::regex(R"(\bcooperative_groups\b)"), ""}};
  SourceFiles checked;
  std::copy_if(files.begin(), files.end(), std::back_inserter(checked),
               [](const SourceFile& file) { return !is_test(file); });
  Offenders offenders;
  for (const Rule& rule : rules) {
    const auto found = lines_where(
        checked,
        [&](const SourceFile& file, const std::string& line) -> std::optional<std::string> {
          const std::string code = line.substr(0, line.find("//"));
          if (file.path == rule.home || !std::regex_search(code, rule.offence)) return std::nullopt;
          return line;
        });
    offenders.insert(offenders.end(), found.begin(), found.end());
  }
  return offenders;
}

Offenders against_reminders(const SourceFiles& files) {
  // In two halves, or this line would offend.
  static const std::regex reminder(
      "\\b(TO"
      "DO|FIX"
      "ME|X"
      "XX|HA"
      "CK)\\b");
  return lines_matching(files, reminder);
}

Offenders against_machine_paths(const SourceFiles& files) {
  static const std::regex path(
      "(^|[^\\w.])/(wo"
      "rk|ho"
      "me|ro"
      "ot|Us"
      "ers|workspace)/");
  return lines_matching(files, path);
}

Offenders against_own_header_first(const SourceFiles& files) {
  std::set<std::string> paths;
  for (const SourceFile& file : files) paths.insert(file.path);
  Offenders offenders;
  for (const SourceFile& file : files) {
    const std::string header = file.path.substr(0, file.path.rfind('.')) + ".h";
    if (is_header(file) || !paths.contains(header)) continue;
    const auto first = std::find_if(file.lines.begin(), file.lines.end(), [](const auto& line) {
      return included_by(line, '"') || included_by(line, '<');
    });
    if (first == file.lines.end() || included_by(*first, '"') != header) {
      const auto line = first == file.lines.end() ? 1 : first - file.lines.begin() + 1;
      offenders.push_back(
          fmt::format("{}:{}: the first include must be {}", file.path, line, header));
    }
  }
  return offenders;
}

std::string namespace_of(std::string_view path) {
  const std::string folder = first_folder(path);
  if (folder != "runtime") return "softmoe::" + folder;
  if (path.starts_with("runtime/device/cuda/")) return "softmoe::cuda";
  const std::string room = first_folder(path.substr(folder.size() + 1));
  return room == "base" || room == "device" ? "softmoe" : "softmoe::" + room;
}

Offenders against_namespaces(const SourceFiles& files, const FolderOrder& order) {
  static const std::regex opening(R"(\bnamespace\s+(softmoe(::\w+)*)\s*\{)");
  Offenders offenders;
  for (const SourceFile& file : files) {
    if (!order.contains(first_folder(file.path)) || file.path.ends_with("/main.cpp")) continue;
    const std::string home = namespace_of(file.path);
    const std::string text = without_comments(file);
    bool is_home = false;
    for (std::sregex_iterator match(text.begin(), text.end(), opening), end; match != end;
         ++match) {
      const std::string name = (*match)[1].str();
      // Plain softmoe belongs to base and device alone: softmoe::x is not "inside" it for them.
      const bool fits = home == "softmoe" ? name == home : is_inside(name, home);
      is_home = is_home || fits;
      if (fits || only_declares(text, *match)) continue;
      const auto line = std::count(text.begin(), text.begin() + match->position(0), '\n') + 1;
      offenders.push_back(fmt::format("{}:{}: {} in a file of {}", file.path, line, name, home));
    }
    if (!is_home) offenders.push_back(fmt::format("{}:1: nothing in {}", file.path, home));
  }
  return offenders;
}

}  // namespace softmoe::test
