#include "runtime/ops/expert_ffn.h"

#include <algorithm>

#include "runtime/ops/cpu/group_product.h"
#include "runtime/ops/cpu/largest_first.h"
#include "runtime/ops/cpu/swiglu_rows.h"

namespace softmoe::ops::cpu {

namespace {

/// Rows of a run that one call of each product takes.
struct RowBlock {
  std::int64_t number;  ///< of the run
  std::int64_t begin;   ///< in the run
  std::int64_t end;
  std::int64_t first;  ///< the same rows among all
  std::int64_t last;
};

/// Calls run(RowBlock) for the blocks of all runs, those of one run one after the other, and the
/// longest run first. A run without rows has one block without rows.
template <class Run>
void for_blocks_of_runs(Workers& workers, const ExpertRows& rows, const Run& run) {
  LargestFirst runs(workers, /*are_near=*/false, [&](const GroupBlock& item) {
    const std::int64_t before = item.block.begin;
    for_each_row_block(item.block.end - before, [&](std::int64_t begin, std::int64_t end) {
      run(RowBlock{item.group, begin, end, before + begin, before + end});
    });
  });
  for (std::int64_t number = 0; number < std::ssize(rows.row_begin) - 1; ++number) {
    const std::int64_t begin = rows.row_begin[static_cast<std::size_t>(number)];
    const std::int64_t end = rows.row_begin[static_cast<std::size_t>(number) + 1];
    runs.add({number, {.cut = Cut::rows, .begin = begin, .end = end, .cost = end - begin}});
  }
  runs.run_gathered();
}

/// The products of all runs with their experts' weights.
GroupedGemmArguments products(const ExpertRows& rows, ConstTensorView in, ConstTensorView weights,
                              Transpose transpose_weights, TensorView out) {
  return {.rows = in,
          .weights = weights,
          .out = out,
          .transpose_weights = transpose_weights,
          .row_begin = rows.row_begin,
          .runs = rows.runs};
}

}  // namespace

void expert_ffn(const ExpertFfnArguments& arguments, Stream& stream) {
  stream.run([arguments, workers = &stream.workers()] {
    const ExpertRows& rows = arguments.rows;
    const GroupedGemmArguments gate_up =
        products(rows, arguments.x_MH, arguments.gate_up_e2FH, Transpose::yes, arguments.h_M2F);
    const GroupedGemmArguments down =
        products(rows, arguments.a_MF, arguments.down_eHF, Transpose::yes, arguments.y_MH);
    for_blocks_of_runs(*workers, rows, [&](const RowBlock& block) {
      const auto [number, begin, end, first, last] = block;
      multiply(group_product(gate_up, number), begin, end);
      swiglu_rows(arguments.h_M2F.rows(first, last), arguments.gate_M.rows(first, last),
                  arguments.a_MF.rows(first, last));
      multiply(group_product(down, number), begin, end);
    });
  });
}

void expert_ffn_backward(const ExpertFfnBackwardArguments& arguments, Stream& stream) {
  stream.run([arguments, workers = &stream.workers()] {
    const ExpertRows& rows = arguments.rows;
    const GroupedGemmArguments d_a =
        products(rows, arguments.d_y_MH, arguments.down_eHF, Transpose::no, arguments.a_MF);
    const GroupedGemmArguments d_x =
        products(rows, arguments.h_M2F, arguments.gate_up_e2FH, Transpose::no, arguments.d_x_MH);
    const GroupedGemmWeightArguments d_gate_up{.d_out = arguments.h_M2F,
                                               .rows = arguments.x_MH,
                                               .d_weights = arguments.d_gate_up_e2FH,
                                               .beta = arguments.gate_up_beta,
                                               .row_begin = rows.row_begin};
    const GroupedGemmWeightArguments d_down{.d_out = arguments.d_y_MH,
                                            .rows = arguments.a_MF,
                                            .d_weights = arguments.d_down_eHF,
                                            .beta = arguments.down_beta,
                                            .row_begin = rows.row_begin};
    for_blocks_of_runs(*workers, rows, [&](const RowBlock& block) {
      const auto [number, begin, end, first, last] = block;
      multiply(group_product(d_a, number), begin, end);
      const TensorView a = arguments.a_MF.rows(first, last);
      const TensorView h = arguments.h_M2F.rows(first, last);
      swiglu_backward_rows({.d_a_MF = a,
                            .h_M2F = h,
                            .gate_M = arguments.gate_M.rows(first, last),
                            .d_h_M2F = h,
                            .d_gate_M = arguments.d_gate_M.rows(first, last),
                            .a_MF = a});
      // While rows of the block are in the cache.
      multiply(rows_of_weight_product(group_weight_product(d_down, number), begin, end));
      multiply(rows_of_weight_product(group_weight_product(d_gate_up, number), begin, end));
      multiply(group_product(d_x, number), begin, end);
    });
  });
}

}  // namespace softmoe::ops::cpu
