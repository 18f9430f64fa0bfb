#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace softmoe::config {

/// The text of one configuration document and the name that messages give it.
///
/// Lines and columns count from 1. A column counts bytes here; what users read counts characters.
class Source {
 public:
  static constexpr std::size_t kMaxBytes = 1 << 20;  ///< of one document

  /// Reads a document. The name is the path as given.
  /// @throws ConfigError if it is missing, not a regular file or longer than kMaxBytes.
  [[nodiscard]] static Source file(const std::filesystem::path& path);

  /// A document that is already in memory.
  /// @throws ConfigError if it is longer than kMaxBytes.
  [[nodiscard]] static Source text(std::string text, std::string name = "config");

  /// No document: what counts is the defaults and the command line.
  [[nodiscard]] static Source none();

  [[nodiscard]] const std::string& name() const { return name_; }

  /// The text, without a leading byte order mark.
  [[nodiscard]] std::string_view text() const { return text_; }

  /// A line without its end, or nothing where there is no such line.
  [[nodiscard]] std::string_view line(int line) const;

  /// The place in text() of a line and a column, at most text().size().
  [[nodiscard]] std::size_t offset(int line, int column) const;

 private:
  Source(std::string text, std::string name);

  std::string name_;
  std::string text_;
  std::vector<std::size_t> line_begin_;
};

}  // namespace softmoe::config
