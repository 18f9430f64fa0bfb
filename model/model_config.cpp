#include "model/model_config.h"

#include <fmt/format.h>

#include "runtime/config/check.h"
#include "runtime/config/reader.h"

namespace softmoe::model {

void ModelConfig::bind(config::Reader& reader) {
  using config::Range;
  reader.value("vocabulary", vocabulary, Range{.min = 2, .max = 1 << 24},
               "token ids that the model knows; the corpus must not exceed it");
  reader.value("positions", positions, Range{.min = 1, .max = 1 << 20}, "longest sequence");
  reader.value("layers", layers, Range{.min = 1, .max = 1024}, "transformer blocks");
  reader.value("dense_layers", dense_layers, Range{.min = 0, .max = 1024},
               "first blocks with a plain FFN instead of experts");
  reader.value("hidden", hidden, Range{.min = 2, .max = 1 << 17}, "width of the residual stream");
  reader.value("heads", heads, Range{.min = 1, .max = 1024}, "query heads");
  reader.value("kv_heads", kv_heads, Range{.min = 1, .max = 1024}, "key and value heads");
  reader.value("dense_inner", dense_inner, Range{.min = 1, .max = 1 << 20},
               "inner width of the plain FFN of dense layers");
  reader.value("shared_inner", shared_inner, Range{.min = 0, .max = 1 << 20},
               "inner width of the shared expert that every token runs; 0: none");
  reader.value("tied_embeddings", tied_embeddings, "input and output embeddings are one tensor");
  reader.value("rope_theta", rope_theta, Range{.above = 0}, "base of the rotary frequencies");
  reader.value("norm_epsilon", norm_epsilon, Range{.above = 0, .max = 1}, "epsilon of RMSNorm");
  reader.section("experts", experts);
  reader.section("router", router);
}

void ModelConfig::validate(config::Check& check) const {
  if (hidden % heads != 0 || (hidden / heads) % 2 != 0) {
    check.refuse("heads",
                 fmt::format("{} heads of a hidden width of {} would not have one even size: "
                             "choose heads so that hidden / heads is even",
                             heads, hidden));
  }
  if (heads % kv_heads != 0) {
    check.refuse("kv_heads", fmt::format("{} does not divide the {} heads", kv_heads, heads));
  }
  if (dense_layers >= layers) {
    check.refuse("dense_layers", fmt::format("{} leaves no MoE layer among {} layers: at most {}",
                                             dense_layers, layers, layers - 1));
  }
}

}  // namespace softmoe::model
