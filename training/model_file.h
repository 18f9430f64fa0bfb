#pragma once

#include "model/transformer.h"
#include "parallel/topology.h"
#include "runtime/storage/file_system.h"
#include "training/model_info.h"

namespace softmoe::training {

/// What saving and loading work with. All of it outlives the call.
struct ModelFileParts {
  model::Transformer& model;
  const parallel::Groups& groups;
  storage::FileSystem& files;
  Workspace& work;
};

/// Writes the whole model as one safetensors file, complete or not at all. Every rank of the world
/// makes the call; rank 0 writes.
///
/// Tensors have their logical names (model/parameter_store.h), each expert its own, in an order
/// that does not depend on the number of ranks: equal models give equal files, byte for byte, on
/// any layout. Experts of other ranks come to rank 0 one tensor at a time, so it needs the memory
/// of one. The metadata hold `info` and a checksum of every tensor.
///
/// @param info  read on rank 0
/// @throws StorageError on all ranks if the file could not be written; `path` is as before, unless
///         only the last step failed (storage::AtomicFile). InvalidArgument on rank 0 if `info` has
///         a number that is not finite or a text that is not UTF-8.
void save_model(const ModelFileParts& parts, const ModelInfo& info, const storage::Path& path);

/// Size of the file that save_model() would write, whatever the layout.
[[nodiscard]] std::int64_t model_file_bytes(const model::ModelConfig& config, DType dtype,
                                            const ModelInfo& info);

/// Reads such a file into the model, its mean cuts included. Every rank of the world makes the call
/// and reads its own part; the world that saved it may have had any other layout.
///
/// Nothing is copied to the model before every rank has read and checked all of its part, which it
/// holds once more on the host until then. Waits for the device.
///
/// @throws StorageError on all ranks, the model as before: missing; bad_format, naming the cure, if
///         it is no model of this program, is damaged, or has other tensors than the model: then
///         the tensor is named, with what was found and what was expected.
ModelInfo load_model(const ModelFileParts& parts, const storage::Path& path);

/// What a model file says beside its tensors, whose bytes are not read: to build the model from.
/// @throws StorageError missing or bad_format, naming the cure.
[[nodiscard]] ModelInfo read_model_info(storage::FileSystem& files, const storage::Path& path);

}  // namespace softmoe::training
