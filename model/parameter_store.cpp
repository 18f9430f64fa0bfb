#include "model/parameter_store.h"

#include <fmt/format.h>

#include <algorithm>

#include "model/initial_values.h"
#include "runtime/ops/elementwise.h"

namespace softmoe::model {

namespace {

/// "layers.2.experts.gate_up" and expert 17 make "layers.2.experts.17.gate_up".
std::string expert_name(const std::string& name, int expert) {
  const std::size_t dot = name.rfind('.');
  return fmt::format("{}.{}{}", name.substr(0, dot), expert, name.substr(dot));
}

/// The shape of one expert's part of a tensor.
Shape inner_shape(const Shape& shape) {
  expect(shape.rank() == 3, "an expert tensor has the experts and two dims");
  return {shape[1], shape[2]};
}

}  // namespace

ParameterStore::ParameterStore(DType dtype, ExpertId first_expert, std::optional<FixedPoint> exact)
    : dtype_(dtype), first_expert_(first_expert), exact_(exact) {
  if (exact_ && compute_type_of(dtype_) != dtype_) {
    throw InvalidArgument(
        fmt::format("gradients are summed exactly from f32 or f64, not from {}", name_of(dtype_)));
  }
}

ParameterId ParameterStore::add(ParameterInfo info) {
  expect(values_[0].data() == nullptr, "parameters are declared before memory is taken");
  info.offset = sizes_[index(info.space)];
  sizes_[index(info.space)] += info.shape.elements();
  infos_.push_back(std::move(info));
  return ParameterId{infos_.size() - 1};
}

void ParameterStore::allocate(std::uint64_t seed, Device& device, Stream& stream) {
  for (const Space space : {Space::dense, Space::expert}) {
    values_[index(space)] = DeviceBuffer(device, bytes(space));
    gradients_[index(space)] = DeviceBuffer(device, gradient_bytes(space));
  }
  first_flag_ = {0};
  for (const ParameterInfo& info : infos_) {
    const std::int64_t flags = info.space == Space::expert ? info.shape[0] : 1;
    first_flag_.push_back(first_flag_.back() + static_cast<std::size_t>(flags));
  }
  is_stale_ = std::make_unique<std::uint8_t[]>(first_flag_.back());
  if (exact_) overflow_ = DeviceBuffer(device, Bytes(size_of(DType::i64)));
  for (const LogicalTensor& tensor : logical_tensors()) {
    const ParameterInfo& info = infos_[tensor.parameter.value];
    fill_initial_values(
        {.seed = seed, .name = tensor.name, .std = info.init_std, .constant = info.init_value},
        values(tensor.space).rows(tensor.offset, tensor.offset + tensor.shape.elements()), stream);
  }
  zero_gradients(stream);
}

Parameter ParameterStore::operator[](ParameterId id) const {
  const ParameterInfo& info = infos_[id.value];
  const std::int64_t end = info.offset + info.shape.elements();
  return {.value = values(info.space).rows(info.offset, end).reshaped(info.shape),
          .gradient = gradients(info.space).rows(info.offset, end).reshaped(info.shape),
          .format = exact_.value_or(FixedPoint{}),
          .overflow = overflow(),
          .is_stale = flags_of(id.value)};
}

std::vector<LogicalTensor> ParameterStore::logical_tensors() const {
  std::vector<LogicalTensor> tensors;
  for (std::size_t i = 0; i < infos_.size(); ++i) {
    const ParameterInfo& info = infos_[i];
    if (info.space == Space::dense) {
      tensors.push_back({info.name, info.shape, info.space, info.offset, ParameterId{i}});
      continue;
    }
    const Shape shape = inner_shape(info.shape);
    for (int local = 0; local < info.shape[0]; ++local) {
      tensors.push_back({expert_name(info.name, first_expert_.value + local), shape, info.space,
                         info.offset + local * shape.elements(), ParameterId{i}});
    }
  }
  return tensors;
}

TensorView ParameterStore::values(Space space) const {
  return values_[index(space)].tensor(dtype_, {sizes_[index(space)]});
}

TensorView ParameterStore::gradients(Space space) const {
  return gradients_[index(space)].tensor(gradient_dtype(), {sizes_[index(space)]});
}

void ParameterStore::zero_gradients(Stream& stream) {
  for (const Space space : {Space::dense, Space::expert}) ops::fill_zero(gradients(space), stream);
  if (exact_) ops::fill_zero({overflow(), Shape{overflow().size()}}, stream);
  std::fill_n(is_stale_.get(), first_flag_.back(), std::uint8_t{0});
}

void ParameterStore::forget_gradients(Stream& stream) {
  if (exact_) {
    zero_gradients(stream);
    return;
  }
  std::fill_n(is_stale_.get(), first_flag_.back(), std::uint8_t{1});
}

void ParameterStore::settle_gradients(Stream& stream) {
  for (std::size_t i = 0; i < infos_.size(); ++i) {
    const std::span<std::uint8_t> flags = flags_of(i);
    const TensorView gradient = (*this)[ParameterId{i}].gradient;
    for (std::size_t part = 0; part < flags.size(); ++part) {
      if (flags[part] == 0) continue;
      const bool is_whole = flags.size() == 1;
      const auto row = static_cast<std::int64_t>(part);
      ops::fill_zero(is_whole ? gradient : gradient.rows(row, row + 1), stream);
      flags[part] = 0;
    }
  }
}

}  // namespace softmoe::model
