#include "training/model_file.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <optional>
#include <set>
#include <utility>

#include "experts/expert_placement.h"
#include "parallel/reduce.h"
#include "runtime/storage/crc32c.h"
#include "runtime/storage/safetensors_reader.h"
#include "runtime/storage/safetensors_writer.h"
#include "training/agree_on_storage.h"

namespace softmoe::training {

namespace {

using model::LogicalTensor;
using model::Space;

/// A tensor of the whole model.
struct FileTensor {
  LogicalTensor tensor;
  Rank owner;  ///< in the world: who brings it into the file
};

std::vector<std::int64_t> dims_of(const Shape& shape) {
  std::vector<std::int64_t> dims;
  for (int dim = 0; dim < shape.rank(); ++dim) dims.push_back(shape[dim]);
  return dims;
}

/// Every tensor of the model by name: the order of the file, whatever the layout. Dense tensors
/// belong to rank 0, experts to the ranks of the first replica.
std::vector<FileTensor> tensors_of_model(const ModelFileParts& parts) {
  const model::ParameterStore& here = parts.model.parameters();
  const int ranks = parts.groups.topology.expert_parallel;
  const experts::ExpertPlacement placement(parts.model.config().experts.num_experts, ranks);
  std::vector<FileTensor> tensors;
  for (Rank rank(0); rank.value < ranks; ++rank.value) {
    // The declarations of that rank: they differ from ours in the number of the first expert only.
    model::ParameterStore there(here.dtype(), placement.first_on(rank));
    for (const model::ParameterInfo& info : here.infos()) there.add(info);
    for (LogicalTensor& tensor : there.logical_tensors()) {
      if (tensor.space == Space::dense && rank != Rank(0)) continue;
      tensors.push_back({std::move(tensor), rank});
    }
  }
  std::sort(tensors.begin(), tensors.end(),
            [](const FileTensor& a, const FileTensor& b) { return a.tensor.name < b.tensor.name; });
  return tensors;
}

/// A tensor of this rank.
TensorView values_of(const ModelFileParts& parts, const LogicalTensor& tensor) {
  return parts.model.parameters()
      .values(tensor.space)
      .rows(tensor.offset, tensor.offset + tensor.shape.elements());
}

View<const std::byte> bytes_of(ConstTensorView tensor) {
  return {tensor.data(), tensor.bytes()};
}

/// Checksums of all tensors, each computed by its owner, on all ranks.
TensorChecksums checksums_of(const ModelFileParts& parts, std::span<const FileTensor> tensors) {
  std::vector<std::int64_t> checksums(tensors.size());
  HostBuffer<std::byte> landed;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    if (tensors[i].owner != parts.groups.world.rank()) continue;
    const HostCopy<std::byte> copy(bytes_of(values_of(parts, tensors[i].tensor)), landed,
                                   parts.work.compute);
    checksums[i] = storage::crc32c(copy.wait());
  }
  parallel::all_reduce_sum_on_host(std::span(checksums), parts.groups.world, parts.work.exchange);
  TensorChecksums by_name;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    by_name.emplace(tensors[i].tensor.name, static_cast<std::uint32_t>(checksums[i]));
  }
  return by_name;
}

std::vector<storage::TensorDeclaration> declare(std::span<const FileTensor> tensors, DType dtype) {
  std::vector<storage::TensorDeclaration> declarations;
  for (const auto& [tensor, owner] : tensors) {
    declarations.push_back({.name = tensor.name, .dtype = dtype, .dims = dims_of(tensor.shape)});
  }
  return declarations;
}

/// Brings tensors to rank 0, one after the other, and hands them over on its host.
class TensorGathering {
 public:
  explicit TensorGathering(const ModelFileParts& parts) : parts_(parts) {}

  /// Every rank of the world makes the call.
  /// @return on rank 0 the bytes, valid until the next call; nothing elsewhere
  std::span<const std::byte> bring(const FileTensor& entry) {
    Workspace& work = parts_.work;
    parallel::Communicator& world = parts_.groups.world;
    const ArenaScope scope(work.scratch);
    const Rank target(0);
    const bool is_mine = world.rank() == entry.owner;
    if (entry.owner == target) {
      return is_mine ? to_host(bytes_of(values_of(parts_, entry.tensor))) : nothing();
    }
    if (is_mine) {
      const parallel::SendMessage send{.to = target,
                                       .data = bytes_of(values_of(parts_, entry.tensor))};
      world.exchange({&send, 1}, {}, work.compute);
      return nothing();
    }
    if (world.rank() != target) {
      world.exchange({}, {}, work.compute);
      return nothing();
    }
    const TensorView received =
        work.scratch.push(parts_.model.parameters().dtype(), entry.tensor.shape);
    const parallel::ReceiveMessage receive{.from = entry.owner,
                                           .data = {received.data(), received.bytes()}};
    world.exchange({}, {&receive, 1}, work.compute);
    return to_host(bytes_of(received));
  }

 private:
  static std::span<const std::byte> nothing() { return {}; }

  std::span<const std::byte> to_host(View<const std::byte> bytes) {
    return HostCopy<std::byte>(bytes, landed_, parts_.work.compute).wait();
  }

  const ModelFileParts& parts_;
  HostBuffer<std::byte> landed_;
};

[[noreturn]] void refuse(const storage::Path& path, const std::string& reason) {
  throw StorageError(StorageError::Kind::bad_format, fmt::format("'{}' {}", path.string(), reason));
}

/// Where the tensors of a file differ from those of a model, in words; at most a few.
class Differences {
 public:
  void add(const std::string& difference) {
    constexpr std::size_t kMaxTold = 4;
    ++count_;
    if (told_.size() < kMaxTold) told_.push_back(difference);
  }
  void throw_if_any(const storage::Path& path) const {
    if (count_ == 0) return;
    const std::string more = count_ > told_.size()
                                 ? fmt::format("; and {} more differences", count_ - told_.size())
                                 : std::string();
    refuse(path,
           fmt::format("does not fit this model: {}{}. Build the model from the configuration "
                       "that the file holds",
                       fmt::join(told_, "; "), more));
  }

 private:
  std::size_t count_ = 0;
  std::vector<std::string> told_;
};

void check_tensors(const storage::SafetensorsReader& reader, const storage::Path& path,
                   std::span<const FileTensor> expected, DType dtype) {
  Differences differences;
  std::set<std::string_view> names;
  for (const auto& [tensor, owner] : expected) {
    names.insert(tensor.name);
    if (!reader.contains(tensor.name)) {
      differences.add(fmt::format("the tensor '{}' of shape {} is missing", tensor.name,
                                  tensor.shape.to_string()));
      continue;
    }
    const storage::TensorInfo& found = reader.info(tensor.name);
    if (found.dims != dims_of(tensor.shape)) {
      differences.add(fmt::format("the tensor '{}' has the shape [{}], and {} is expected",
                                  tensor.name, fmt::join(found.dims, ", "),
                                  tensor.shape.to_string()));
    }
    if (found.dtype != dtype) {
      differences.add(fmt::format("the tensor '{}' has elements of type {}, and {} is expected",
                                  tensor.name, found.dtype_name,
                                  storage::safetensors_name_of(dtype)));
    }
  }
  for (const storage::TensorInfo& found : reader.tensors()) {
    if (names.contains(found.name)) continue;
    differences.add(fmt::format("it has a tensor {} of shape [{}] that the model does not have",
                                storage::displayed(found.name), fmt::join(found.dims, ", ")));
  }
  differences.throw_if_any(path);
}

/// What a rank has read, in host memory.
struct Staged {
  ModelInfo info;
  std::vector<LogicalTensor> tensors;
  std::vector<std::vector<std::byte>> bytes;  ///< of each
};

Staged read_own_part(const ModelFileParts& parts, const storage::Path& path) {
  const storage::SafetensorsReader reader(parts.files, path);
  ParsedMetadata metadata = parse_metadata(reader.metadata(), path.string());
  check_tensors(reader, path, tensors_of_model(parts), parts.model.parameters().dtype());
  const std::size_t num_cuts = metadata.info.routing.cut_L.size();
  const int num_layers = parts.model.config().moe_layers();
  if (num_cuts != 0 && std::cmp_not_equal(num_cuts, num_layers)) {
    refuse(path, fmt::format("holds the mean cuts of {} layers with experts, and the model has {}. "
                             "Build the model from the configuration that the file holds",
                             num_cuts, num_layers));
  }
  Staged staged{.info = std::move(metadata.info),
                .tensors = parts.model.parameters().logical_tensors(),
                .bytes = {}};
  for (const LogicalTensor& tensor : staged.tensors) {
    std::vector<std::byte>& bytes =
        staged.bytes.emplace_back(static_cast<std::size_t>(reader.info(tensor.name).bytes));
    reader.read(tensor.name, bytes);
    const auto checksum = metadata.checksums.find(tensor.name);
    if (checksum == metadata.checksums.end() || checksum->second != storage::crc32c(bytes)) {
      refuse(path,
             fmt::format("is damaged: the tensor '{}' does not fit its checksum; copy the file "
                         "again",
                         tensor.name));
    }
  }
  return staged;
}

}  // namespace

void save_model(const ModelFileParts& parts, const ModelInfo& info, const storage::Path& path) {
  const PhaseScope phase(parts.work.progress, Phase::storage);
  const std::vector<FileTensor> tensors = tensors_of_model(parts);
  const TensorChecksums checksums = checksums_of(parts, tensors);
  const bool is_writer = parts.groups.world.rank() == Rank(0);
  std::optional<storage::SafetensorsWriter> writer;
  std::optional<StorageError> failure;
  // After a failure the tensors still come, because their owners do not know of it.
  const auto unless_failed = [&](auto&& action) {
    if (is_writer && !failure) failure = attempt(action);
  };
  unless_failed([&] {
    writer.emplace(parts.files, path, declare(tensors, parts.model.parameters().dtype()),
                   to_metadata(info, checksums));
  });
  TensorGathering gathering(parts);
  for (const FileTensor& entry : tensors) {
    const std::span<const std::byte> bytes = gathering.bring(entry);
    unless_failed([&] { writer->append(entry.tensor.name, bytes); });
  }
  unless_failed([&] { writer->finish(); });
  // What this rank sent has left the parameters before they may change.
  parts.work.compute.synchronize();
  agree_on_storage(failure, parts.groups.world, parts.work.exchange);
}

std::int64_t model_file_bytes(const model::ModelConfig& config, DType dtype,
                              const ModelInfo& info) {
  model::ParameterStore whole(dtype, ExpertId(0));
  model::declare_parameters(config, config.experts.num_experts, whole);
  std::vector<storage::TensorDeclaration> declarations;
  TensorChecksums checksums;
  for (const LogicalTensor& tensor : whole.logical_tensors()) {
    declarations.push_back({.name = tensor.name, .dtype = dtype, .dims = dims_of(tensor.shape)});
    checksums.emplace(tensor.name, std::numeric_limits<std::uint32_t>::max());
  }
  return storage::safetensors_file_bytes(
      storage::lay_out(std::move(declarations), to_metadata(info, checksums)));
}

ModelInfo load_model(const ModelFileParts& parts, const storage::Path& path) {
  const PhaseScope phase(parts.work.progress, Phase::storage);
  Staged staged;
  const auto failure = attempt([&] { staged = read_own_part(parts, path); });
  agree_on_storage(failure, parts.groups.world, parts.work.exchange);
  for (std::size_t i = 0; i < staged.tensors.size(); ++i) {
    const TensorView values = values_of(parts, staged.tensors[i]);
    upload(std::span<const std::byte>(staged.bytes[i]),
           View<std::byte>(values.data(), values.bytes()), parts.work.compute);
  }
  parts.work.compute.synchronize();
  parts.model.routing().set_cuts(staged.info.routing.cut_L);
  return staged.info;
}

ModelInfo read_model_info(storage::FileSystem& files, const storage::Path& path) {
  const storage::SafetensorsReader reader(files, path);
  return parse_metadata(reader.metadata(), path.string()).info;
}

}  // namespace softmoe::training
