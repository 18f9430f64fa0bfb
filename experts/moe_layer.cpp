#include "experts/moe_layer.h"

#include "runtime/ops/gemm.h"
#include "runtime/ops/pack_rows.h"
#include "runtime/ops/rows.h"

namespace softmoe::experts {

namespace {

/// Lets `later` wait for everything on `earlier` so far.
void join(Stream& earlier, Stream& later) {
  Event reached;
  earlier.record(reached);
  later.wait_for(reached);
}

/// Gates stay in fp32 whatever the rows are stored in.
DType gate_type(DType model) {
  return model == DType::f64 ? DType::f64 : DType::f32;
}

}  // namespace

MoeLayer::MoeLayer(const router::RouterConfig& config, const ExpertPlacement& placement,
                   parallel::Communicator& ep)
    : config_(&config),
      placement_(placement),
      counts_(ep),
      exchange_(ep, placement.experts_per_rank()) {
  require(placement.num_ranks() == ep.size(), "the placement is for another number of ranks");
}

void MoeLayer::forward(const MoeWeights& weights, ConstTensorView x_TH, TensorView y_TH,
                       const router::RouteArguments& arguments,
                       const router::RouteStatistics& statistics, Workspace& work) {
  const ArenaScope scope(work.scratch);
  const int layer = arguments.setting.layer;
  arguments_ = arguments;
  x_TH_ = x_TH;
  {
    const PhaseScope phase(work.progress, Phase::router, layer);
    const TensorView logits_TE =
        work.saved.push(x_TH.dtype(), {x_TH.dim(0), placement_.num_experts()});
    ops::gemm({.a = x_TH,
               .b = weights.router_EH.value,
               .c = logits_TE,
               .transpose_b = ops::Transpose::yes},
              work.compute);
    arguments_.logits_TE = logits_TE;
    arguments_.gain = weights.gain_1.value;
    plan_ = router::route(*config_, arguments_, statistics, work);
    arguments_.given = nullptr;  // the plan itself is what backward needs
  }
  // The counts travel while the rows are packed.
  join(work.compute, work.exchange);
  counts_.start(plan_.count_E, work.scratch, work.exchange);
  TensorView sent_NH;
  TensorView sent_gate_N;
  {
    const PhaseScope phase(work.progress, Phase::pack, layer);
    order_rows(work);
    sent_NH = pack(x_TH, order_.token_at, work);
    sent_gate_N = pack(plan_.gate_N.reshaped({plan_.row_capacity, 1}), order_.row_at, work);
  }
  {
    const PhaseScope phase(work.progress, Phase::counts, layer);
    exchange_.plan(counts_.wait());
  }
  const std::int64_t num_sent = exchange_.rows_sent();
  const std::int64_t num_received = exchange_.rows_received();
  const std::int64_t hidden = x_TH.dim(1);
  const TensorView x_MH = work.saved.push(x_TH.dtype(), {num_received, hidden});
  const TensorView gate_M = work.saved.push(gate_type(x_TH.dtype()), {num_received, 1});
  const TensorView h_M2F =
      work.saved.push(x_TH.dtype(), {num_received, weights.ffn.gate_up_e2FH.value.dim(1)});
  rows_ = {.x_MH = x_MH,
           .gate_M = gate_M.reshaped({num_received}),
           .h_M2F = h_M2F,
           .row_begin_e1 = exchange_.cell_begin()};
  {
    const PhaseScope phase(work.progress, Phase::dispatch, layer);
    join(work.compute, work.exchange);
    exchange_.forward(sent_NH.rows(0, num_sent), x_MH, work.exchange);
    exchange_.forward(sent_gate_N.rows(0, num_sent), gate_M, work.exchange);
    join(work.exchange, work.compute);
  }
  const TensorView y_MH = work.scratch.push(x_TH.dtype(), {num_received, hidden});
  {
    const PhaseScope phase(work.progress, Phase::experts, layer);
    grouped_ffn(weights.ffn, rows_, y_MH, work);
  }
  // The rows come back into the buffer that they left from.
  const TensorView returned_NH = sent_NH.rows(0, num_sent);
  to_tokens(y_MH, returned_NH, work);
  combine(returned_NH, y_TH, work);
}

void MoeLayer::backward(const MoeWeights& weights, ConstTensorView d_y_TH, TensorView d_x_TH,
                        TensorView d_k, Workspace& work) {
  const ArenaScope scope(work.scratch);
  const std::int64_t num_sent = exchange_.rows_sent();
  const std::int64_t num_received = exchange_.rows_received();
  const std::int64_t hidden = d_y_TH.dim(1);
  const DType dtype = d_y_TH.dtype();
  const DType gates = plan_.gate_N.dtype();

  TensorView d_sent_NH;
  {
    const PhaseScope phase(work.progress, Phase::pack, layer());
    d_sent_NH = pack(d_y_TH, order_.token_at, work).rows(0, num_sent);
  }
  const TensorView d_rows_MH = work.scratch.push(dtype, {num_received, hidden});
  to_experts(d_sent_NH, d_rows_MH, work);

  const TensorView d_x_MH = work.scratch.push(dtype, {num_received, hidden});
  const TensorView d_gate_M = work.scratch.push(gates, {num_received, 1});
  {
    const PhaseScope phase(work.progress, Phase::experts, layer());
    grouped_ffn_backward(weights.ffn, rows_, d_rows_MH, d_x_MH, d_gate_M.reshaped({num_received}),
                         work);
  }
  const TensorView d_placed_gate_N = work.scratch.push(gates, {num_sent, 1});
  to_tokens(d_x_MH, d_sent_NH, work);
  to_tokens(d_gate_M, d_placed_gate_N, work);
  combine(d_sent_NH, d_x_TH, work);

  const PhaseScope phase(work.progress, Phase::router, layer());
  const TensorView d_gate_N = work.scratch.push(gates, {num_sent, 1});
  ops::gather_rows(d_placed_gate_N, order_.place_of.part(0, num_sent), d_gate_N, work.compute);
  const TensorView d_logits_TE = work.scratch.push(dtype, arguments_.logits_TE.shape());
  router::route_backward(*config_,
                         {.plan = plan_,
                          .forward = arguments_,
                          .d_gate_N = d_gate_N.reshaped({num_sent}),
                          .d_logits_TE = d_logits_TE,
                          .d_gain = weights.gain_1.gradient,
                          .d_k = d_k},
                         work);
  accumulate(weights.router_EH, [&](TensorView d_router, double beta) {
    ops::gemm({.a = d_logits_TE,
               .b = x_TH_,
               .c = d_router,
               .transpose_a = ops::Transpose::yes,
               .beta = beta},
              work.compute);
  });
  ops::gemm({.a = d_logits_TE, .b = weights.router_EH.value, .c = d_x_TH, .beta = 1.0},
            work.compute);
}

void MoeLayer::order_rows(Workspace& work) {
  const std::int64_t room = plan_.row_capacity;
  order_ = {.row_at = work.saved.push<std::int32_t>(room),
            .token_at = work.saved.push<std::int32_t>(room),
            .place_of = work.saved.push<std::int32_t>(room)};
  ops::sort_rows({.segment_begin_S1 = plan_.row_begin_T1,
                  .key_C = plan_.expert_N,
                  .count_K = plan_.count_E,
                  .row_at_C = order_.row_at,
                  .segment_at_C = order_.token_at,
                  .place_of_C = order_.place_of},
                 work.compute);
}

TensorView MoeLayer::pack(ConstTensorView table, View<std::int32_t> source, Workspace& work) const {
  const TensorView packed = work.scratch.push(table.dtype(), {plan_.row_capacity, table.dim(1)});
  ops::pack_rows({.table = table,
                  .source_C = source,
                  .num_rows_1 = plan_.row_begin_T1.part(plan_.num_tokens, plan_.num_tokens + 1),
                  .packed = packed},
                 work.compute);
  return packed;
}

void MoeLayer::to_experts(ConstTensorView sent, TensorView received, Workspace& work) {
  const PhaseScope phase(work.progress, Phase::dispatch, layer());
  join(work.compute, work.exchange);
  exchange_.forward(sent, received, work.exchange);
  join(work.exchange, work.compute);
}

void MoeLayer::to_tokens(ConstTensorView received, TensorView sent, Workspace& work) {
  const PhaseScope phase(work.progress, Phase::dispatch, layer());
  join(work.compute, work.exchange);
  exchange_.reverse(received, sent, work.exchange);
  join(work.exchange, work.compute);
}

void MoeLayer::combine(ConstTensorView rows_NH, TensorView y_TH, Workspace& work) const {
  const PhaseScope phase(work.progress, Phase::combine, layer());
  ops::sum_rows({.rows = rows_NH,
                 .place_of_N = order_.place_of.part(0, rows_NH.dim(0)),
                 .segment_begin = plan_.row_begin_T1,
                 .out = y_TH,
                 .beta = 1.0},
                work.compute);
}

}  // namespace softmoe::experts
