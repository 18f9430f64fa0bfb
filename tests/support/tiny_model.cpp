#include "tests/support/tiny_model.h"

#include "runtime/base/philox.h"

namespace softmoe::test {

model::ModelConfig tiny_config() {
  model::ModelConfig config;
  config.vocabulary = 11;
  config.positions = 8;
  config.layers = 3;
  config.dense_layers = 1;
  config.hidden = 8;
  config.heads = 2;
  config.kv_heads = 1;
  config.dense_inner = 6;
  config.shared_inner = 5;
  config.experts = {.num_experts = 4, .inner = 5};
  config.router.threshold = 0.2;
  config.router.cap_factor = 2.0;
  return config;
}

model::Batch tiny_batch(OnDevice& on, const model::ModelConfig& config, std::int64_t sequences,
                        std::int64_t positions, std::int64_t first_token) {
  std::vector<std::int32_t> tokens;
  std::vector<std::int32_t> targets;
  std::vector<std::int32_t> places;
  for (std::int64_t t = 0; t < sequences * positions; ++t) {
    const auto words = philox({.seed = 5}, static_cast<std::uint64_t>(first_token + t));
    tokens.push_back(
        static_cast<std::int32_t>(words[0] % static_cast<std::uint32_t>(config.vocabulary)));
    targets.push_back(
        static_cast<std::int32_t>(words[1] % static_cast<std::uint32_t>(config.vocabulary)));
    places.push_back(static_cast<std::int32_t>(t % positions));
  }
  return {.sequences = sequences,
          .positions = positions,
          .token_T = on.upload(tokens),
          .position_T = on.upload(places),
          .target_T = on.upload(targets),
          .first_token = first_token};
}

void shake(model::ParameterStore& parameters, double size, OnDevice& on) {
  std::uint32_t tensor_number = 0;
  for (const model::LogicalTensor& tensor : parameters.logical_tensors()) {
    const TensorView values = parameters.values(tensor.space)
                                  .rows(tensor.offset, tensor.offset + tensor.shape.elements());
    visit_float(values.dtype(), [&]<class T>() {
      std::vector<T> numbers = on.download<T>(values);
      for (std::size_t i = 0; i < numbers.size(); ++i) {
        const auto words = philox({.seed = 9, .step = tensor_number}, i);
        numbers[i] = static_cast<T>(static_cast<double>(numbers[i]) +
                                    size * normal_from(words[0], words[1])[0]);
      }
      softmoe::upload(std::span<const T>(numbers), values.as<T>(), on.stream);
      on.stream.synchronize();
    });
    ++tensor_number;
  }
}

double read_element(TensorView flat, std::int64_t index, OnDevice& on) {
  return visit_float(flat.dtype(), [&]<class T>() {
    return static_cast<double>(on.download<T>(flat.rows(index, index + 1))[0]);
  });
}

void write_element(TensorView flat, std::int64_t index, double value, OnDevice& on) {
  visit_float(flat.dtype(), [&]<class T>() {
    const T number = static_cast<T>(value);
    softmoe::upload(std::span<const T>(&number, 1), flat.rows(index, index + 1).as<T>(), on.stream);
    on.stream.synchronize();
  });
}

}  // namespace softmoe::test
