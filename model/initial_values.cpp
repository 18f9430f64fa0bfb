#include "model/initial_values.h"

#include <vector>

#include "runtime/base/philox.h"
#include "runtime/device/host_copy.h"

namespace softmoe::model {

namespace {

/// FNV-1a: a fixed hash, the same on every machine and in every version.
std::uint64_t hash_of(const std::string& name) {
  std::uint64_t hash = 0xcbf29ce484222325ULL;
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
  return hash;
}

}  // namespace

void fill_initial_values(const InitialValues& initial, TensorView target, Stream& stream) {
  const RandomKey key{.seed = initial.seed ^ hash_of(initial.name),
                      .purpose = RandomPurpose::parameter_init};
  visit_float(target.dtype(), [&]<class T>() {
    std::vector<T> values(static_cast<std::size_t>(target.elements()));
    for (std::size_t i = 0; i < values.size(); ++i) {
      double value = initial.constant;
      if (initial.std != 0) {
        const auto words = philox(key, i / 4);
        const auto pair =
            i % 4 < 2 ? normal_from(words[0], words[1]) : normal_from(words[2], words[3]);
        value = initial.std * pair[i % 2];
      }
      values[i] = static_cast<T>(value);
    }
    upload(std::span<const T>(values), target.as<T>(), stream);
    stream.synchronize();
  });
}

}  // namespace softmoe::model
