#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace softmoe::test {

/// The lines of a page of docs/ between `<!-- MARK -->` and `<!-- end of MARK -->`, empty ones left
/// out: a table that a test compares with its source.
/// @param root  of the tree
[[nodiscard]] std::vector<std::string> table_of_docs(const std::string& root, std::string_view page,
                                                     std::string_view mark);

}  // namespace softmoe::test
