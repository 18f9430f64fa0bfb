#pragma once

#include <string>
#include <string_view>

namespace softmoe::config {

/// What is written in the place of a secret.
inline constexpr std::string_view kRedacted = "<redacted>";

/// Whether the name of a key says that it holds a secret: one of its words, parted by `_`, `-` or
/// `.`, is token, secret, password or key. `api_key` does; `tokens`, `num_kv_heads` and `monkey` do
/// not, nor does a name that ends in file, path or dir, which says only where the secret is.
[[nodiscard]] bool names_a_secret(std::string_view dotted_key);

/// A line of YAML or a `key=value`, cut after the first key that names a secret.
[[nodiscard]] std::string without_secret(std::string_view line);

}  // namespace softmoe::config
