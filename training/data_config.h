#pragma once

#include <string>

#include "training/data/token_file.h"

namespace softmoe::config {
class Reader;
class Check;
}  // namespace softmoe::config

namespace softmoe::training {

/// Where the tokens are: a corpus folder made by `softmoe data build`, or token files by pattern.
struct DataConfig {
  std::string corpus = "data/demo";        ///< folder with corpus.json; empty: use the patterns
  std::string train;                       ///< token files to train on, `folder/name_train_*.bin`
  std::string validation;                  ///< token files to evaluate on
  TokenFormat format = TokenFormat::llmc;  ///< of the patterns' files

  void bind(config::Reader& reader);
  void validate(config::Check& check) const;
};

}  // namespace softmoe::training
