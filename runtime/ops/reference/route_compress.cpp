#include "runtime/ops/route_compress.h"

#include <algorithm>

#include "runtime/ops/route_select.h"

namespace softmoe::ops::reference {

void route_compress(View<const std::uint32_t> chosen_RW, const SparseRows& sparse,
                    View<std::int32_t> count_C, Arena& /*scratch*/, Stream& stream) {
  stream.run([chosen_RW, sparse, count_C] {
    const std::int64_t words = num_choice_words(count_C.size());
    std::fill_n(count_C.data(), count_C.size(), 0);
    std::int32_t entry = 0;
    sparse.row_begin_R1[0] = 0;
    for (std::int64_t row = 0; row + 1 < sparse.row_begin_R1.size(); ++row) {
      for (std::int32_t column = 0; column < count_C.size(); ++column) {
        if ((chosen_RW[row * words + column / 32] >> (column % 32) & 1U) == 0) continue;
        sparse.column_N[entry++] = column;
        ++count_C[column];
      }
      sparse.row_begin_R1[row + 1] = entry;
    }
  });
}

void route_replay(const SparseRows& given, const SparseRows& sparse, View<std::int32_t> count_C,
                  Stream& stream) {
  stream.run([given, sparse, count_C] {
    const std::int64_t last = given.row_begin_R1.size() - 1;
    std::copy_n(given.row_begin_R1.data(), last + 1, sparse.row_begin_R1.data());
    std::fill_n(count_C.data(), count_C.size(), 0);
    for (std::int64_t entry = 0; entry < given.row_begin_R1[last]; ++entry) {
      sparse.column_N[entry] = given.column_N[entry];
      ++count_C[given.column_N[entry]];
    }
  });
}

}  // namespace softmoe::ops::reference
