#include "tests/support/token_file.h"

#include "runtime/base/philox.h"

namespace softmoe::test {

std::vector<std::int32_t> chained_tokens(std::int64_t count, int vocabulary) {
  std::vector<std::int32_t> tokens;
  std::int32_t last = 1;
  for (std::int64_t i = 0; i < count; ++i) {
    const auto words =
        philox({.seed = 77, .purpose = RandomPurpose::test}, static_cast<std::uint64_t>(i));
    const bool is_surprise = words[0] % 4 == 0;
    last = is_surprise
               ? static_cast<std::int32_t>(words[1] % static_cast<std::uint32_t>(vocabulary))
               : (last * 5 + 3) % vocabulary;
    tokens.push_back(last);
  }
  return tokens;
}

training::TokenSource write_and_open(storage::FileSystem& files, const storage::Path& path,
                                     const model::ModelConfig& model,
                                     std::span<const std::int32_t> tokens) {
  training::TokenFileWriter writer(files, path, training::TokenFormat::llmc, model.vocabulary);
  writer.append(tokens);
  writer.finish();
  return {training::TokenStream(files, {path}, training::TokenFormat::llmc), model.positions,
          model.vocabulary};
}

}  // namespace softmoe::test
