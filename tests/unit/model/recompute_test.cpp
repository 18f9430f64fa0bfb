// Blocks that are computed again give the bits of blocks that are kept. Ranks are threads.

#include "model/recompute.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "model/transformer.h"
#include "tests/support/local_world.h"
#include "tests/support/tiny_model.h"

namespace softmoe::test {
namespace {

using model::Recompute;

struct ModelCase {
  model::ModelConfig config = tiny_config();
  int ranks = 1;
  int exchange_chunks = 1;
  std::int64_t max_received_rows = 0;
  std::vector<std::int64_t> quota_L = {};
};

/// What one rank has after two lanes.
struct Trace {
  double loss = 0;
  std::vector<float> dense;
  std::vector<float> expert;
  std::vector<std::int64_t> counts;
  std::vector<double> sums;
  std::int64_t saved_peak = 0;
  std::int64_t waves = 0;
};

Trace run_rank(const ModelCase& of, Recompute recompute, parallel::Communicator& ep, OnDevice& on) {
  model::Transformer model({.config = of.config,
                            .ep = ep,
                            .total_mass = 4.0,
                            .seed = 7,
                            .exchange_chunks = of.exchange_chunks,
                            .max_received_rows = of.max_received_rows,
                            .recompute = recompute},
                           on.device, on.stream);
  shake(model.parameters(), 0.05, on);
  const TensorView loss = on.upload<double>({0.0}, {1});
  // Rank 1 has no tokens of its own.
  const std::int64_t sequences = ep.rank().value == 1 ? 0 : 3;
  model.begin_step({.alpha = 0.8, .lambda = 0.1}, on.stream);
  model.parameters().zero_gradients(on.stream);
  Trace trace;
  for (std::int64_t lane = 0; lane < 2; ++lane) {
    const model::Batch batch = tiny_batch(on, of.config, sequences, /*positions=*/8,
                                          /*first_token=*/100 * lane + 1000 * ep.rank().value);
    const std::int64_t before = on.saved.used().value;
    model.add_loss_and_gradient(
        batch,
        {.seed = 7, .quota_L = sequences == 0 ? std::span<const std::int64_t>() : of.quota_L}, loss,
        on.work);
    trace.saved_peak = on.saved.peak().value - before;
  }
  model.routing().fold_layer_means_gradient(model.eta(), on.work);
  trace.loss = on.download<double>(loss)[0];
  trace.dense = on.download<float>(model.parameters().gradients(model::Space::dense));
  trace.expert = on.download<float>(model.parameters().gradients(model::Space::expert));
  trace.counts = on.download(View<const std::int64_t>(model.routing().counts()));
  trace.sums = on.download(View<const double>(model.routing().sums()));
  trace.waves = model.moe(0).traffic().waves;
  on.exchange.synchronize();
  return trace;
}

std::vector<Trace> run(const ModelCase& of, Recompute recompute) {
  std::vector<Trace> traces(static_cast<std::size_t>(of.ranks));
  run_ranks(of.ranks, [&](parallel::Communicator& ep, OnDevice& on) {
    traces[static_cast<std::size_t>(ep.rank().value)] = run_rank(of, recompute, ep, on);
  });
  return traces;
}

std::vector<Trace> expect_same_bits(const ModelCase& of) {
  const std::vector<Trace> kept = run(of, Recompute::none);
  std::vector<Trace> again = run(of, Recompute::block);
  for (std::size_t rank = 0; rank < kept.size(); ++rank) {
    SCOPED_TRACE(testing::Message() << "rank " << rank << " of " << kept.size());
    EXPECT_EQ(again[rank].loss, kept[rank].loss);
    EXPECT_EQ(again[rank].dense, kept[rank].dense);
    EXPECT_EQ(again[rank].expert, kept[rank].expert);
    EXPECT_EQ(again[rank].counts, kept[rank].counts);  // routing is counted once
    EXPECT_EQ(again[rank].sums, kept[rank].sums);
    EXPECT_THAT(again[rank].expert, testing::Contains(testing::Ne(0.0F)));
  }
  EXPECT_LT(again[0].saved_peak, kept[0].saved_peak);
  return again;
}

TEST(Recompute, GivesTheSameBitsOnAnyNumberOfRanks) {
  for (const int ranks : {1, 2, 4}) expect_same_bits({.ranks = ranks});
}

TEST(Recompute, GivesTheSameBitsInChunks) {
  model::ModelConfig config = tiny_config();
  config.experts.num_experts = 12;
  for (const int ranks : {1, 2, 4}) {
    expect_same_bits({.config = config, .ranks = ranks, .exchange_chunks = 3});
  }
}

TEST(Recompute, GivesTheSameBitsWithoutASharedExpert) {
  model::ModelConfig config = tiny_config();
  config.shared_inner = 0;
  config.dense_layers = 0;

  expect_same_bits({.config = config, .ranks = 2});
}

TEST(Recompute, GivesTheSameBitsOfAMostlyDenseModel) {
  model::ModelConfig config = tiny_config();
  config.layers = 5;
  config.dense_layers = 4;
  config.tied_embeddings = false;

  expect_same_bits({.config = config});
}

TEST(Recompute, GivesTheSameBitsWithNoiseThatIsDrawnOnce) {
  model::ModelConfig config = tiny_config();
  config.router.noise_std = 0.5;

  expect_same_bits({.config = config, .ranks = 2});
}

TEST(Recompute, GivesTheSameBitsUnderAQuota) {
  expect_same_bits({.ranks = 2, .quota_L = {40, 60}});
}

TEST(Recompute, GivesTheSameBitsInWaves) {
  for (const int ranks : {1, 2, 4}) {
    const std::vector<Trace> traces = expect_same_bits({.ranks = ranks, .max_received_rows = 7});
    EXPECT_GT(traces[0].waves, 1);
  }
}

}  // namespace
}  // namespace softmoe::test
