#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace softmoe::launcher {

/// What deploy/slurm/site.env says of a cluster: names as they stand there; a name that is left out
/// has no value.
class SiteValues {
 public:
  /// "" if it was not given.
  [[nodiscard]] std::string get(const std::string& name) const;
  /// Its words, parted by spaces.
  [[nodiscard]] std::vector<std::string> words(const std::string& name) const;
  /// Its number, or `otherwise`. @throws ConfigError if it is not one of at least `least`
  [[nodiscard]] int number(const std::string& name, int otherwise, int least) const;

  std::map<std::string, std::string> values;
  std::string file;  ///< for messages
};

/// Reads `NAME=value` lines: comments, a value bare or in quotes, nothing that only a shell can
/// understand, since the batch script reads the same file by a shell and both must find the same.
///
/// @param file  for messages
/// @throws ConfigError with every line that is not understood
[[nodiscard]] SiteValues parse_site_file(std::string_view text, const std::string& file);

}  // namespace softmoe::launcher
