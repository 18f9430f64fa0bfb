#pragma once

// Every trained number of the model in two flat spaces, and their gradients beside them.

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "runtime/base/strong.h"
#include "runtime/device/buffer.h"
#include "runtime/device/parameter.h"
#include "runtime/device/stream.h"

namespace softmoe::model {

/// Dense parameters are the same on all ranks; expert parameters on the ranks with the same
/// experts.
enum class Space : std::uint8_t { dense, expert };

/// Parameters that the optimizer treats alike.
enum class ParameterGroup : std::uint8_t {
  matrix,       ///< decayed
  vector,       ///< norms and gains: not decayed
  router,       ///< router projections
  layer_means,  ///< eta: its own learning rate, no decay, frozen at first
};

struct ParameterId {
  std::size_t value = 0;
};

/// One tensor. Its name is logical: it holds no rank number.
struct ParameterInfo {
  std::string name;  ///< "layers.2.experts.gate_up"; pieces of expert tensors are named per expert
  Shape shape;       ///< of this rank's part: expert tensors have the local experts outermost
  Space space = Space::dense;
  ParameterGroup group = ParameterGroup::matrix;
  double init_std = 0;  ///< of a normal distribution; with 0 every element starts as init_value
  double init_value = 0;
  std::int64_t offset = 0;  ///< first element in its flat space
};

/// A tensor as it is named in files: expert tensors one by one.
struct LogicalTensor {
  std::string name;  ///< "layers.2.experts.17.gate_up"
  Shape shape;
  Space space = Space::dense;
  std::int64_t offset = 0;  ///< first element in its flat space on this rank
  ParameterId parameter;
};

/// Declares parameters, then holds their values and gradients.
class ParameterStore {
 public:
  /// @param dtype of values and gradients
  /// @param first_expert first expert on this rank, for logical names and initial values
  /// @param exact        gradients are i64 sums in this format instead
  /// @throws InvalidArgument if there are none for the type.
  ParameterStore(DType dtype, ExpertId first_expert,
                 std::optional<FixedPoint> exact = std::nullopt);

  /// Declares a tensor; `info.offset` is assigned. Before allocate().
  ParameterId add(ParameterInfo info);
  /// Takes memory and fills in the initial values: functions of (seed, logical name, element), so
  /// that they do not depend on the number of ranks. Waits for the device.
  void allocate(std::uint64_t seed, Device& device, Stream& stream);

  [[nodiscard]] Parameter operator[](ParameterId id) const;
  [[nodiscard]] const ParameterInfo& info(ParameterId id) const { return infos_[id.value]; }
  [[nodiscard]] std::span<const ParameterInfo> infos() const { return infos_; }
  /// Every tensor under its logical name, in the order of declaration.
  [[nodiscard]] std::vector<LogicalTensor> logical_tensors() const;

  [[nodiscard]] DType dtype() const { return dtype_; }
  [[nodiscard]] DType gradient_dtype() const { return exact_ ? DType::i64 : dtype_; }
  /// How gradients are held, if exactly.
  [[nodiscard]] const std::optional<FixedPoint>& exact() const { return exact_; }
  [[nodiscard]] std::int64_t elements(Space space) const { return sizes_[index(space)]; }
  /// Of the values of a space, and of their gradients.
  [[nodiscard]] Bytes bytes(Space space) const { return Bytes(elements(space) * size_of(dtype_)); }
  [[nodiscard]] Bytes gradient_bytes(Space space) const {
    return Bytes(elements(space) * size_of(gradient_dtype()));
  }
  [[nodiscard]] TensorView values(Space space) const;
  [[nodiscard]] TensorView gradients(Space space) const;
  void zero_gradients(Stream& stream);
  /// The same, but where a gradient is contributed to anyway its first contribution is left to
  /// overwrite it: what is read before settle_gradients() may be of the step before.
  void forget_gradients(Stream& stream);
  /// Sets to zero what was forgotten and got no contribution.
  void settle_gradients(Stream& stream);
  /// Contributions to exact gradients that did not fit since zero_gradients(), [1]; empty where
  /// gradients are not exact.
  [[nodiscard]] View<std::int64_t> overflow() const { return overflow_.as<std::int64_t>(); }

 private:
  static std::size_t index(Space space) { return static_cast<std::size_t>(space); }
  [[nodiscard]] std::span<std::uint8_t> flags_of(std::size_t parameter) const {
    return {is_stale_.get() + first_flag_[parameter],
            first_flag_[parameter + 1] - first_flag_[parameter]};
  }

  DType dtype_;
  ExpertId first_expert_;
  std::optional<FixedPoint> exact_;
  std::vector<ParameterInfo> infos_;
  std::int64_t sizes_[2] = {0, 0};
  DeviceBuffer values_[2];
  DeviceBuffer gradients_[2];
  DeviceBuffer overflow_;
  std::vector<std::size_t> first_flag_;       ///< of each parameter, and the end
  std::unique_ptr<std::uint8_t[]> is_stale_;  ///< Parameter::is_stale of all, behind one another
};

}  // namespace softmoe::model
