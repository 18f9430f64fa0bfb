#pragma once

#include <string>
#include <string_view>

namespace softmoe::training {

/// The style of the page: light, dark, print, narrow.
[[nodiscard]] std::string page_style();

/// What moves: the read-out under the pointer, and the choice of a layer. The page is whole
/// without.
[[nodiscard]] std::string_view page_script();

}  // namespace softmoe::training
