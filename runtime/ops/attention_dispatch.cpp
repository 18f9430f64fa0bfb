#include "runtime/ops/attention.h"
#include "runtime/ops/checks.h"
#include "runtime/ops/dispatch.h"

namespace softmoe::ops {

namespace {

/// `heads` heads of the shape's size fit into the rows from `column` on.
void check_columns(const Checks& check, NamedTensor named, std::int64_t column,
                   std::int64_t columns) {
  check.at_least("first column of a projection", column, 0);
  check.at_least(named.name, named.tensor.dim(1), column + columns);
}

void check_forward(const Checks& check, const AttentionArguments& arguments) {
  const auto& [sequences, queries, keys, heads, kv_heads, head_size] = arguments.shape;
  check.same_float(
      {{"q", arguments.q}, {"k", arguments.k}, {"v", arguments.v}, {"o", arguments.o}});
  check.kept_beside({"log_sum", arguments.log_sum}, arguments.q.dtype());
  check.at_least("queries", queries, 0);
  check.at_least("keys", keys, queries);
  check.at_least("key_stride", arguments.key_stride, keys);
  check.at_least("kv_heads", kv_heads, 1);
  check.at_least("head_size", head_size, 1);
  check.equal("heads modulo kv_heads", heads % kv_heads, 0);

  const std::int64_t q_columns = std::int64_t{heads} * head_size;
  const std::int64_t kv_columns = std::int64_t{kv_heads} * head_size;
  check.rank({"q", arguments.q}, 2);
  check.rank({"k", arguments.k}, 2);
  check.rank({"v", arguments.v}, 2);
  check.shape({"q", arguments.q}, {sequences * queries, arguments.q.dim(1)});
  check.shape({"k", arguments.k}, {sequences * arguments.key_stride, arguments.k.dim(1)});
  check.shape({"v", arguments.v}, {sequences * arguments.key_stride, arguments.v.dim(1)});
  check_columns(check, {"columns of q", arguments.q}, arguments.q_column, q_columns);
  check_columns(check, {"columns of k", arguments.k}, arguments.k_column, kv_columns);
  check_columns(check, {"columns of v", arguments.v}, arguments.v_column, kv_columns);
  check.shape({"o", arguments.o}, {sequences * queries, q_columns});
  check.shape({"log_sum", arguments.log_sum}, {sequences * queries, heads});
}

}  // namespace

void attention(const AttentionArguments& arguments, Arena& scratch, Stream& stream) {
  check_forward(Checks("attention"), arguments);
  pick<AttentionOp>(stream, arguments.q.dtype(),
                    {"attention", &reference::attention, &cpu::attention, nullptr})(
      arguments, scratch, stream);
}

void attention_backward(const AttentionBackwardArguments& arguments, Arena& scratch,
                        Stream& stream) {
  const Checks check("attention_backward");
  const AttentionArguments& forward = arguments.forward;
  check_forward(check, forward);
  check.equal("keys", forward.shape.keys, forward.shape.queries);
  check.same_float({{"q", forward.q},
                    {"d_o", arguments.d_o},
                    {"d_q", arguments.d_q},
                    {"d_k", arguments.d_k},
                    {"d_v", arguments.d_v}});
  check.shape({"d_o", arguments.d_o}, forward.o.shape());
  check.shape({"d_q", arguments.d_q}, forward.q.shape());
  check.shape({"d_k", arguments.d_k}, forward.k.shape());
  check.shape({"d_v", arguments.d_v}, forward.v.shape());
  pick<AttentionBackwardOp>(stream, forward.q.dtype(),
                            {"attention_backward", &reference::attention_backward,
                             &cpu::attention_backward, nullptr})(arguments, scratch, stream);
}

}  // namespace softmoe::ops
