#include "experts/moe_layer.h"

#include "runtime/ops/accumulate.h"
#include "runtime/ops/convert.h"
#include "runtime/ops/elementwise.h"
#include "runtime/ops/gemm.h"
#include "runtime/ops/pack_rows.h"
#include "runtime/ops/rows.h"

namespace softmoe::experts {

namespace {

/// `rows` as the router computes with them, in fp32 whatever they are stored in: themselves, or
/// converted into scratch.
ConstTensorView for_router(ConstTensorView rows, Workspace& work) {
  const DType wanted = compute_type_of(rows.dtype());
  if (rows.dtype() == wanted) return rows;
  const TensorView converted = work.scratch.push(wanted, rows.shape());
  ops::convert(rows, converted, work.compute);
  return converted;
}

}  // namespace

MoeLayer::MoeLayer(const router::RouterConfig& config, const ExpertPlacement& placement,
                   parallel::Communicator& ep, const Receiving& receiving)
    : config_(&config),
      placement_(placement),
      runs_(receiving.determinism == Determinism::layout_invariant ? ep.size() : 1),
      counts_(ep),
      exchange_(ep, placement.experts_per_rank()),
      chunks_(placement.experts_per_rank(), receiving.chunks, runs_),
      receiving_(receiving),
      arrived_(static_cast<std::size_t>(chunks_.size())),
      done_(static_cast<std::size_t>(chunks_.size())) {
  require(placement.num_ranks() == ep.size(), "the placement is for another number of ranks");
}

void MoeLayer::forward(const MoeWeights& weights, ConstTensorView x_TH, ConstTensorView residual_TH,
                       TensorView y_TH, const router::RouteArguments& arguments,
                       const router::RouteStatistics& statistics, Workspace& work) {
  const ArenaScope scope(work.scratch);
  const int layer = arguments.setting.layer;
  arguments_ = arguments;
  x_TH_ = x_TH;
  {
    const PhaseScope phase(work.progress, Phase::router, layer);
    const ArenaScope logits(work.scratch);
    const TensorView logits_TE =
        work.scratch.push(compute_type_of(x_TH.dtype()), {x_TH.dim(0), placement_.num_experts()});
    ops::gemm({.a = for_router(x_TH, work),
               .b = weights.router_EH.value,
               .c = logits_TE,
               .transpose_b = ops::Transpose::yes},
              work.compute);
    arguments_.logits_TE = logits_TE;
    arguments_.gain = weights.gain_1.value;
    plan_ = router::route(*config_, arguments_, statistics, work);
    // Backward needs the plan alone, and of the logits their shape.
    arguments_.given = nullptr;
    arguments_.logits_TE = {nullptr, logits_TE.dtype(), logits_TE.shape()};
  }
  {
    // The counts travel while the rows are packed.
    const PhaseScope phase(work.progress, Phase::counts, layer);
    join(work.compute, work.exchange);
    counts_.start(plan_.count_E, work.scratch, work.exchange);
  }
  Sent sent;
  {
    const PhaseScope phase(work.progress, Phase::pack, layer);
    order_rows(work);
    if (!is_alone()) sent = pack_sent(work);
  }
  {
    const PhaseScope phase(work.progress, Phase::counts, layer);
    count_PE_ = counts_.wait();
    plan_waves();
  }
  if (stays_here()) {
    forward_here(weights, residual_TH, y_TH, work);
    return;
  }
  if (is_alone()) {
    const PhaseScope phase(work.progress, Phase::pack, layer);
    sent = pack_sent(work);
  }
  const std::int64_t num_sent = exchange_.rows_sent();
  sent = {.x_NH = sent.x_NH.rows(0, num_sent), .gate_N1 = sent.gate_N1.rows(0, num_sent)};
  // The rows come back into the buffer that they left from. Each chunk of each wave overwrites
  // there only what it sent itself.
  const TensorView returned_NH = sent.x_NH;
  for (std::int64_t wave = 0; wave < waves_; ++wave) {
    if (wave > 0) enter_wave(wave, work);
    forward_wave(weights, sent, returned_NH, work);
  }
  combine(returned_NH, residual_TH, y_TH, work);
}

void MoeLayer::plan_waves() {
  const int ranks = placement_.num_ranks();
  waves_ = parallel::waves_needed(count_PE_, ranks, receiving_.max_rows);
  exchange_.plan(count_PE_, {.index = 0, .count = waves_});
  chunks_.plan(row_begin());
}

void MoeLayer::enter_wave(std::int64_t wave, Workspace& work) {
  if (waves_ == 1) return;
  // Work of the wave before reads on the host where its rows begin, and has to be done with it.
  work.compute.synchronize();
  exchange_.plan(count_PE_, {.index = wave, .count = waves_});
  chunks_.plan(row_begin());
}

void MoeLayer::push_rows(const MoeWeights& weights, Arena& memory) {
  const std::int64_t num_received = exchange_.rows_received();
  const ReceivedRows received = push_received(x_TH_.dtype(), num_received, x_TH_.dim(1),
                                              weights.ffn.gate_up_e2FH.value.dim(1), memory);
  received_ = received;
  rows_ = {.x_MH = received.x_MH,
           .gate_M = received.gate_M1.reshaped({num_received}),
           .h_M2F = received.h_M2F,
           .row_begin_e1 = row_begin(),
           .runs = runs_};
}

void MoeLayer::forward_wave(const MoeWeights& weights, const Sent& sent, TensorView returned_NH,
                            Workspace& work) {
  const ArenaScope scope(work.scratch);
  push_rows(weights, keeps_rows() ? work.saved : work.scratch);
  const TensorView y_MH = work.scratch.push(rows_.x_MH.dtype(), rows_.x_MH.shape());
  const parallel::RowJourney out[] = {{sent.x_NH, received_.x_MH},
                                      {sent.gate_N1, received_.gate_M1}};
  const parallel::RowJourney back[] = {{y_MH, returned_NH}};
  run_chunks(
      out,
      [&](const ExpertChunk& chunk) {
        grouped_ffn(weights.ffn.experts(chunk.experts.begin, chunk.experts.end),
                    rows_.part(chunk.row_begin, chunk.row_end, chunk.row_begin_of_each),
                    y_MH.rows(chunk.row_begin, chunk.row_end), work);
      },
      back, work);
}

void MoeLayer::forward_here(const MoeWeights& weights, ConstTensorView residual_TH, TensorView y_TH,
                            Workspace& work) {
  push_rows(weights, keeps_rows() ? work.saved : work.scratch);
  pack_here(work);
  const TensorView y_MH = work.scratch.push(rows_.x_MH.dtype(), rows_.x_MH.shape());
  {
    const PhaseScope phase(work.progress, Phase::experts, layer());
    grouped_ffn(weights.ffn, rows_, y_MH, work);
  }
  combine(y_MH, residual_TH, y_TH, work);
}

void MoeLayer::backward_here(const MoeWeights& weights, ConstTensorView d_y_TH,
                             ConstTensorView onto_TH, TensorView d_x_TH, TensorView d_k,
                             Workspace& work) {
  if (!keeps_rows()) {
    push_rows(weights, work.scratch);
    pack_here(work);
  }
  const ReturnedGradients returned =
      push_gradients(rows_.x_MH.dtype(), rows_.x_MH.dim(0), rows_.x_MH.dim(1), work.scratch);
  {
    const PhaseScope phase(work.progress, Phase::pack, layer());
    pack_into(d_y_TH, order_.token_at, returned.d_rows_MH, work);
  }
  {
    const PhaseScope phase(work.progress, Phase::experts, layer());
    if (!keeps_rows()) grouped_ffn_inner(weights.ffn, rows_, work);
    grouped_ffn_backward(weights.ffn, rows_, returned.d_rows_MH, returned.d_x_MH,
                         returned.d_gate_M1.reshaped({rows_.x_MH.dim(0)}), work);
  }
  combine(returned.d_x_MH, onto_TH, d_x_TH, work);
  add_route_gradients(weights, returned.d_gate_M1, d_x_TH, d_k, work);
}

void MoeLayer::backward(const MoeWeights& weights, ConstTensorView d_y_TH, ConstTensorView onto_TH,
                        TensorView d_x_TH, TensorView d_k, Workspace& work) {
  const ArenaScope scope(work.scratch);
  if (stays_here()) {
    backward_here(weights, d_y_TH, onto_TH, d_x_TH, d_k, work);
    return;
  }
  const std::int64_t num_sent = exchange_.rows_sent();
  SentGradients gradients;
  Sent again;
  {
    const PhaseScope phase(work.progress, Phase::pack, layer());
    gradients.d_sent_NH = pack(d_y_TH, order_.token_at, work).rows(0, num_sent);
    gradients.d_placed_gate_N1 = work.scratch.push(plan_.gate_N.dtype(), {num_sent, 1});
    if (!keeps_rows()) {
      again = pack_sent(work);
      again = {.x_NH = again.x_NH.rows(0, num_sent), .gate_N1 = again.gate_N1.rows(0, num_sent)};
    }
  }
  for (std::int64_t wave = 0; wave < waves_; ++wave) {
    enter_wave(wave, work);
    backward_wave(weights, again, gradients, work);
  }
  combine(gradients.d_sent_NH, onto_TH, d_x_TH, work);
  add_route_gradients(weights, gradients.d_placed_gate_N1, d_x_TH, d_k, work);
}

void MoeLayer::backward_wave(const MoeWeights& weights, const Sent& again,
                             const SentGradients& gradients, Workspace& work) {
  const ArenaScope scope(work.scratch);
  if (!keeps_rows()) push_rows(weights, work.scratch);
  const ReturnedGradients returned = push_gradients(rows_.x_MH.dtype(), exchange_.rows_received(),
                                                    rows_.x_MH.dim(1), work.scratch);
  const parallel::RowJourney out[] = {{gradients.d_sent_NH, returned.d_rows_MH},
                                      {again.x_NH, received_.x_MH},
                                      {again.gate_N1, received_.gate_M1}};
  const parallel::RowJourney back[] = {{returned.d_x_MH, gradients.d_sent_NH},
                                       {returned.d_gate_M1, gradients.d_placed_gate_N1}};
  run_chunks(
      std::span(out).first(keeps_rows() ? 1 : 3),
      [&](const ExpertChunk& chunk) {
        const std::int64_t begin = chunk.row_begin;
        const std::int64_t end = chunk.row_end;
        const GroupedFfnWeights experts =
            weights.ffn.experts(chunk.experts.begin, chunk.experts.end);
        const GroupedFfnRows rows = rows_.part(begin, end, chunk.row_begin_of_each);
        if (!keeps_rows()) grouped_ffn_inner(experts, rows, work);
        grouped_ffn_backward(experts, rows, returned.d_rows_MH.rows(begin, end),
                             returned.d_x_MH.rows(begin, end),
                             returned.d_gate_M1.rows(begin, end).reshaped({end - begin}), work);
      },
      back, work);
}

void MoeLayer::add_route_gradients(const MoeWeights& weights, ConstTensorView d_placed_gate_N1,
                                   TensorView d_x_TH, TensorView d_k, Workspace& work) const {
  const PhaseScope phase(work.progress, Phase::router, layer());
  const DType gates = plan_.gate_N.dtype();
  const std::int64_t num_sent = d_placed_gate_N1.dim(0);
  const TensorView d_gate_N = work.scratch.push(gates, {num_sent, 1});
  ops::gather_rows(d_placed_gate_N1, order_.place_of.part(0, num_sent), d_gate_N, work.compute);
  const TensorView d_logits_TE = work.scratch.push(gates, arguments_.logits_TE.shape());
  ops::accumulate(weights.gain_1, work, [&](TensorView d_gain, double beta) {
    if (beta == 0) ops::fill_zero(d_gain, work.compute);
    router::route_backward(*config_,
                           {.plan = plan_,
                            .forward = arguments_,
                            .d_gate_N = d_gate_N.reshaped({num_sent}),
                            .d_logits_TE = d_logits_TE,
                            .d_gain = d_gain,
                            .d_k = d_k},
                           work);
  });
  add_router_gradients(weights, d_logits_TE, d_x_TH, work);
}

MoeTraffic MoeLayer::traffic() const {
  return {.rows_sent = exchange_.rows_sent(),
          .rows_received = exchange_.rows_received_in_all(),
          .rows_sent_off_rank = exchange_.rows_sent_off_rank(),
          .rows_again_off_rank = keeps_rows() ? 0 : exchange_.rows_sent_off_rank(),
          .waves = waves_};
}

void MoeLayer::add_router_gradients(const MoeWeights& weights, ConstTensorView d_logits_TE,
                                    TensorView d_x_TH, Workspace& work) const {
  const ConstTensorView x_TH = for_router(x_TH_, work);
  const bool is_same_type = d_x_TH.dtype() == d_logits_TE.dtype();
  const TensorView sum_TH =
      is_same_type ? d_x_TH : work.scratch.push(d_logits_TE.dtype(), d_x_TH.shape());
  if (!is_same_type) ops::convert(d_x_TH, sum_TH, work.compute);
  ops::accumulate(weights.router_EH, work, [&](TensorView d_router, double beta) {
    ops::gemm({.a = d_logits_TE,
               .b = x_TH,
               .c = d_router,
               .transpose_a = ops::Transpose::yes,
               .beta = beta},
              work.compute);
  });
  // Not as a pair: its blocks add to rows that are in the cache of one core or the other.
  ops::gemm({.a = d_logits_TE, .b = weights.router_EH.value, .c = sum_TH, .beta = 1.0},
            work.compute);
  if (!is_same_type) ops::convert(sum_TH, d_x_TH, work.compute);
}

void MoeLayer::order_rows(Workspace& work) {
  order_ = push_order(plan_.row_capacity, work.saved);
  ops::sort_rows({.segment_begin_S1 = plan_.row_begin_T1,
                  .key_C = plan_.expert_N,
                  .count_K = plan_.count_E,
                  .row_at_C = order_.row_at,
                  .segment_at_C = order_.token_at,
                  .place_of_C = order_.place_of},
                 work.scratch, work.compute);
}

TensorView MoeLayer::pack(ConstTensorView table, View<std::int32_t> source, Workspace& work) const {
  const TensorView packed = work.scratch.push(table.dtype(), {plan_.row_capacity, table.dim(1)});
  pack_into(table, source, packed, work);
  return packed;
}

void MoeLayer::pack_into(ConstTensorView table, View<std::int32_t> source, TensorView packed,
                         Workspace& work) const {
  ops::pack_rows({.table = table,
                  .source_C = source.part(0, packed.dim(0)),
                  .num_rows_1 = plan_.row_begin_T1.part(plan_.num_tokens, plan_.num_tokens + 1),
                  .packed = packed},
                 work.compute);
}

void MoeLayer::pack_here(Workspace& work) const {
  const PhaseScope phase(work.progress, Phase::pack, layer());
  pack_into(x_TH_, order_.token_at, received_.x_MH, work);
  pack_into(plan_.gate_N.reshaped({plan_.row_capacity, 1}), order_.row_at, received_.gate_M1, work);
}

MoeLayer::Sent MoeLayer::pack_sent(Workspace& work) const {
  return {.x_NH = pack(x_TH_, order_.token_at, work),
          .gate_N1 = pack(plan_.gate_N.reshaped({plan_.row_capacity, 1}), order_.row_at, work)};
}

template <class Run>
void MoeLayer::run_chunks(std::span<const parallel::RowJourney> out, Run run,
                          std::span<const parallel::RowJourney> back, Workspace& work) {
  join(work.compute, work.exchange);
  for (int i = 0; i < chunks_.size(); ++i) {
    const PhaseScope phase(work.progress, Phase::dispatch, layer());
    exchange_.forward(out, chunks_[i].experts, work.exchange);
    work.exchange.record(arrived_[static_cast<std::size_t>(i)]);
  }
  for (int i = 0; i < chunks_.size(); ++i) {
    {
      const PhaseScope phase(work.progress, Phase::experts, layer());
      work.compute.wait_for(arrived_[static_cast<std::size_t>(i)]);
      run(chunks_[i]);
      work.compute.record(done_[static_cast<std::size_t>(i)]);
    }
    const PhaseScope phase(work.progress, Phase::dispatch, layer());
    work.exchange.wait_for(done_[static_cast<std::size_t>(i)]);
    exchange_.reverse(back, chunks_[i].experts, work.exchange);
  }
  join(work.exchange, work.compute);
}

void MoeLayer::combine(ConstTensorView rows_NH, ConstTensorView onto_TH, TensorView y_TH,
                       Workspace& work) const {
  const PhaseScope phase(work.progress, Phase::combine, layer());
  ops::sum_rows({.rows = rows_NH,
                 .place_of_N = order_.place_of.part(0, rows_NH.dim(0)),
                 .segment_begin = plan_.row_begin_T1,
                 .onto = onto_TH,
                 .out = y_TH},
                work.compute);
}

}  // namespace softmoe::experts
