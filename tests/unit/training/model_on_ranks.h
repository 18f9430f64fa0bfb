#pragma once

// A tiny model on some layout of ranks. Equal seeds give equal models on any layout.

#include <cstring>
#include <map>
#include <string>

#include "parallel/topology.h"
#include "tests/support/local_world.h"
#include "tests/support/tiny_model.h"

namespace softmoe::test {

inline constexpr double kTinyMass = 3.0;

/// A world of ranks cut into expert-parallel groups.
struct Layout {
  int world = 1;
  int expert_parallel = 1;
};

/// One rank's part of a tiny model.
struct ModelOnRanks {
  struct Options {
    model::ModelConfig config = tiny_config();
    std::uint64_t seed = 1;
    DType dtype = DType::f32;
  };

  ModelOnRanks(parallel::Communicator& world, int expert_parallel, OnDevice& device,
               Options made_with)
      : on(device),
        options(std::move(made_with)),
        groups(parallel::make_groups(world, expert_parallel)),
        model({.config = options.config,
               .ep = *groups.ep,
               .total_mass = kTinyMass,
               .dtype = options.dtype,
               .seed = options.seed},
              device.device, device.stream) {}
  ModelOnRanks(parallel::Communicator& world, int expert_parallel, OnDevice& device)
      : ModelOnRanks(world, expert_parallel, device, Options()) {}

  /// Waits for work that still writes to the model.
  ~ModelOnRanks() {
    on.stream.synchronize();
    on.exchange.synchronize();
  }
  ModelOnRanks(const ModelOnRanks&) = delete;
  ModelOnRanks& operator=(const ModelOnRanks&) = delete;

  /// The bytes of this rank's tensors by logical name.
  [[nodiscard]] std::map<std::string, std::string> tensors() {
    std::map<std::string, std::string> result;
    for (const model::LogicalTensor& tensor : model.parameters().logical_tensors()) {
      const TensorView values = model.parameters()
                                    .values(tensor.space)
                                    .rows(tensor.offset, tensor.offset + tensor.shape.elements());
      HostBuffer<std::byte> landed;
      const HostCopy<std::byte> copy({values.data(), values.bytes()}, landed, on.stream);
      const auto bytes = copy.wait();
      result[tensor.name] = {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
    }
    return result;
  }

  /// Multiplies the embedding, so that logits differ by several units.
  void sharpen(float factor) {
    const TensorView table = model.parameters()[model::ParameterId{0}].value;
    std::vector<float> values = on.download<float>(table);
    for (float& value : values) value *= factor;
    softmoe::upload(std::span<const float>(values), table.as<float>(), on.stream);
    on.stream.synchronize();
  }

  OnDevice& on;
  Options options;
  parallel::Groups groups;
  model::Transformer model;
};

}  // namespace softmoe::test
