#include "bench/synthetic_tokens.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <vector>

#include "runtime/base/errors.h"
#include "runtime/base/philox.h"
#include "runtime/storage/posix_file_system.h"

namespace softmoe::bench {

namespace {

/// A folder of its own, gone with what is in it at the end. What is mapped stays readable.
class PassingFolder {
 public:
  PassingFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "softmoe-bench-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) {
      throw StorageError(StorageError::Kind::cannot_write,
                         "cannot make the folder " + name + "; set TMPDIR to one that is writable");
    }
    path_ = name;
  }
  ~PassingFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  PassingFolder(const PassingFolder&) = delete;
  PassingFolder& operator=(const PassingFolder&) = delete;

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

std::vector<std::int32_t> draw_tokens(std::int64_t count, int vocabulary) {
  std::vector<double> cumulative_V;
  double sum = 0;
  for (int token = 0; token < vocabulary; ++token) {
    sum += 1.0 / (token + 1);
    cumulative_V.push_back(sum);
  }
  std::vector<std::int32_t> tokens;
  tokens.reserve(static_cast<std::size_t>(count));
  for (std::int64_t i = 0; i < count; ++i) {
    const auto words = philox({.seed = 1}, static_cast<std::uint64_t>(i));
    const double place = uniform_from(words[0]) * sum;
    const auto found = std::upper_bound(cumulative_V.begin(), cumulative_V.end(), place);
    tokens.push_back(std::min(static_cast<std::int32_t>(found - cumulative_V.begin()),
                              static_cast<std::int32_t>(vocabulary - 1)));
  }
  return tokens;
}

}  // namespace

training::TokenSource synthetic_tokens(const launcher::RunConfig& config) {
  constexpr std::int64_t kLeastTokens = 1 << 18;
  constexpr std::int64_t kLeastSequences = 64;
  const std::int64_t count = std::max(kLeastTokens, kLeastSequences * config.model.positions) + 1;
  const PassingFolder folder;
  const storage::Path path = folder.path() / "tokens.bin";
  storage::PosixFileSystem files;
  training::TokenFileWriter writer(files, path, training::TokenFormat::llmc,
                                   config.model.vocabulary);
  writer.append(draw_tokens(count, config.model.vocabulary));
  writer.finish();
  return {training::TokenStream(files, {path}, training::TokenFormat::llmc), config.model.positions,
          config.model.vocabulary};
}

}  // namespace softmoe::bench
