#include "experts/moe_layer_size.h"

#include <algorithm>

#include "experts/moe_memory.h"
#include "router/plan_memory.h"
#include "router/router.h"
#include "runtime/ops/accumulate.h"

namespace softmoe::experts {

namespace {

using Purpose = ArenaMeasure::Purpose;

std::int64_t row_capacity(const MoeLayerSize& layer, const LayerRows& rows) {
  return layer.tokens * router::expert_cap(layer.router, rows.k, layer.num_experts);
}

/// As MoeLayer::pack(): room for any number of rows, of which those that are sent get written.
void push_packed(const MoeLayerSize& layer, const LayerRows& rows, DType dtype, std::int64_t width,
                 ArenaMeasure& scratch) {
  const std::int64_t capacity = row_capacity(layer, rows);
  const double filled =
      capacity == 0 ? 0.0 : static_cast<double>(rows.rows_sent) / static_cast<double>(capacity);
  scratch.push(dtype, {capacity, width}, filled, Purpose::exchange);
}

/// Of the experts here. Where rows do not travel there is one.
std::int64_t chunks_of(const MoeLayerSize& layer) {
  if (layer.expert_parallel == 1) return 1;
  return std::clamp(layer.exchange_chunks, 1, layer.num_experts / layer.expert_parallel);
}

/// The largest chunk of the experts here.
std::int64_t experts_of_chunk(const MoeLayerSize& layer) {
  return (layer.num_experts / layer.expert_parallel + chunks_of(layer) - 1) / chunks_of(layer);
}

/// The activation of one chunk of experts, as grouped_ffn() holds it.
void push_activation(const MoeLayerSize& layer, const LayerRows& rows, ArenaMeasure& scratch) {
  const std::int64_t chunks = chunks_of(layer);
  scratch.push(layer.dtype, {(rows.rows_at_once() + chunks - 1) / chunks, layer.inner});
}

bool keeps_rows(const MoeLayerSize& layer, const LayerRows& rows) {
  return layer.keep == Keep::rows && rows.waves == 1;
}

void push_sent(const MoeLayerSize& layer, const LayerRows& rows, ArenaMeasure& scratch) {
  push_packed(layer, rows, layer.dtype, layer.hidden, scratch);
  push_packed(layer, rows, compute_type_of(layer.dtype), 1, scratch);
}

/// Rows received, and the inner rows.
void push_rows(const MoeLayerSize& layer, const LayerRows& rows, ArenaMeasure& memory) {
  [[maybe_unused]] const ReceivedRows received =
      push_received(layer.dtype, rows.rows_at_once(), layer.hidden, 2 * layer.inner, memory);
}

/// grouped_ffn_backward() of one chunk.
void measure_experts_backward(const MoeLayerSize& layer, const LayerRows& rows,
                              ArenaMeasure& scratch) {
  const MeasureScope scope(scratch);
  push_activation(layer, rows, scratch);
  ops::measure_contribution(layer.determinism, layer.dtype,
                            {experts_of_chunk(layer), 2 * layer.inner, layer.hidden}, scratch);
}

bool stays_here(const MoeLayerSize& layer, const LayerRows& rows) {
  return layer.expert_parallel == 1 && rows.waves == 1;
}

/// As MoeLayer::backward_here(), up to the gradients of the route.
void measure_backward_here(const MoeLayerSize& layer, const LayerRows& rows,
                           ArenaMeasure& scratch) {
  if (!keeps_rows(layer, rows)) push_rows(layer, rows, scratch);
  [[maybe_unused]] const ReturnedGradients gradients =
      push_gradients(layer.dtype, rows.rows_received, layer.hidden, scratch);
  measure_experts_backward(layer, rows, scratch);
}

/// As MoeLayer::backward() in waves or between ranks, likewise.
void measure_backward_journey(const MoeLayerSize& layer, const LayerRows& rows,
                              ArenaMeasure& scratch) {
  push_packed(layer, rows, layer.dtype, layer.hidden, scratch);
  scratch.push(compute_type_of(layer.dtype), {rows.rows_sent, 1}, 1.0, Purpose::exchange);
  if (!keeps_rows(layer, rows)) push_sent(layer, rows, scratch);
  const MeasureScope wave(scratch);
  if (!keeps_rows(layer, rows)) push_rows(layer, rows, scratch);
  // All three travel, or are what came of rows that did.
  scratch.set_purpose(Purpose::exchange);
  [[maybe_unused]] const ReturnedGradients gradients =
      push_gradients(layer.dtype, rows.rows_at_once(), layer.hidden, scratch);
  scratch.set_purpose(Purpose::work);
  measure_experts_backward(layer, rows, scratch);
}

void measure_route(const MoeLayerSize& layer, const LayerRows& rows, WorkspaceMeasure& work) {
  const MeasureScope scope(work.scratch);
  const DType scores = compute_type_of(layer.dtype);
  work.scratch.push(scores, {layer.tokens, layer.num_experts});
  if (layer.dtype != scores) work.scratch.push(scores, {layer.tokens, layer.hidden});
  [[maybe_unused]] const router::RoutePlan plan =
      router::push_plan(layer.router,
                        {.num_tokens = layer.tokens,
                         .num_experts = layer.num_experts,
                         .row_capacity = row_capacity(layer, rows)},
                        scores, work.saved);
  [[maybe_unused]] const auto choice =
      router::push_choice(layer.tokens, layer.num_experts, work.scratch);
  // Keys of the candidates, at most of all pairs.
  if (layer.has_quota) work.scratch.push(DType::f32, {layer.tokens, layer.num_experts});
}

}  // namespace

void measure_forward(const MoeLayerSize& layer, const LayerRows& rows, WorkspaceMeasure& work) {
  const MeasureScope scope(work.scratch);
  measure_route(layer, rows, work);
  work.scratch.push(DType::i32, {layer.expert_parallel, layer.num_experts}, 1.0, Purpose::exchange);
  [[maybe_unused]] const RowOrder order = push_order(row_capacity(layer, rows), work.saved);
  const bool is_here = stays_here(layer, rows);
  if (!is_here) push_sent(layer, rows, work.scratch);
  push_rows(layer, rows, keeps_rows(layer, rows) ? work.saved : work.scratch);
  work.scratch.push(layer.dtype, {rows.rows_at_once(), layer.hidden}, 1.0,
                    is_here ? Purpose::work : Purpose::exchange);
  push_activation(layer, rows, work.scratch);
}

void measure_backward(const MoeLayerSize& layer, const LayerRows& rows, WorkspaceMeasure& work) {
  const MeasureScope scope(work.scratch);
  const DType scores = compute_type_of(layer.dtype);
  if (stays_here(layer, rows)) {
    measure_backward_here(layer, rows, work.scratch);
  } else {
    measure_backward_journey(layer, rows, work.scratch);
  }
  work.scratch.push(scores, {rows.rows_sent, 1});
  work.scratch.push(scores, {layer.tokens, layer.num_experts});
  ops::measure_contribution(layer.determinism, scores, {layer.num_experts, layer.hidden},
                            work.scratch);
  if (layer.dtype == scores) return;
  // The router's inputs and the sum of gradients, converted.
  work.scratch.push(scores, {layer.tokens, layer.hidden});
  work.scratch.push(scores, {layer.tokens, layer.hidden});
}

}  // namespace softmoe::experts
