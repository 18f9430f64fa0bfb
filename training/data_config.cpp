#include "training/data_config.h"

#include "runtime/config/check.h"
#include "runtime/config/reader.h"

namespace softmoe::training {

void DataConfig::bind(config::Reader& reader) {
  reader.value("corpus", corpus, "folder made by `softmoe data build`; empty: use the patterns");
  reader.value("train", train, "token files to train on, with a star for any characters");
  reader.value("validation", validation, "token files to evaluate on");
  reader.choice("format", format, {{"llmc", TokenFormat::llmc}, {"nanogpt", TokenFormat::nanogpt}},
                "of the token files: llm.c shards, or headerless 16-bit tokens");
}

void DataConfig::validate(config::Check& check) const {
  if (corpus.empty() && (train.empty() || validation.empty())) {
    check.refuse(train.empty() ? "train" : "validation",
                 "without a corpus folder both patterns are needed");
  }
  if (!corpus.empty() && (!train.empty() || !validation.empty())) {
    check.refuse("corpus",
                 "a corpus folder and patterns exclude each other: set data.corpus to \"\"");
  }
}

}  // namespace softmoe::training
