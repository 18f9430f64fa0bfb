#include "tests/unit/experts/moe_case.h"

#include "tests/support/numbers.h"

namespace softmoe::test {

namespace {

std::vector<double> slice(const std::vector<double>& values, std::int64_t begin, std::int64_t end) {
  return {values.begin() + begin, values.begin() + end};
}

void append(std::vector<double>& to, const std::vector<double>& values) {
  to.insert(to.end(), values.begin(), values.end());
}

/// From -2 to 2.
std::vector<double> whole_numbers(std::int64_t count, std::uint64_t seed) {
  std::vector<double> numbers;
  for (const std::int32_t number : integers(count, /*below=*/5, seed))
    numbers.push_back(number - 2);
  return numbers;
}

void add(std::vector<double>& to, const std::vector<double>& values) {
  to.resize(values.size(), 0.0);
  for (std::size_t i = 0; i < values.size(); ++i) to[i] += values[i];
}

/// One rank's part of a case, in storage of T.
template <class T>
class RankOfCase {
 public:
  RankOfCase(const MoeCase& of, parallel::Communicator& ep, OnDevice& on)
      : case_(of),
        numbers_(of),
        on_(on),
        ep_(ep),
        placement_(of.num_experts, ep.size()),
        tokens_(of.tokens_P[static_cast<std::size_t>(ep.rank().value)]) {
    for (int rank = 0; rank < ep.rank().value; ++rank)
      first_token_ += of.tokens_P[static_cast<std::size_t>(rank)];
  }

  MoeOutcome run() {
    const experts::MoeWeights weights = upload_weights();
    const Shape tokens{tokens_, case_.hidden};
    const TensorView y_TH = upload(of_tokens(numbers_.before_TH), tokens);
    const TensorView d_x_TH = upload(of_tokens(numbers_.before_TH), tokens);
    const TensorView d_k = on_.upload(std::vector<double>{0.0}, {1});
    experts::MoeLayer layer(case_.router, placement_, ep_, case_.receiving());

    layer.forward(
        weights, upload(of_tokens(numbers_.x_TH), tokens), y_TH, y_TH,
        {.setting = {.layer = 0, .k = case_.k}, .tokens = {.seed = 1, .first_token = first_token_}},
        statistics(), on_.work);
    MoeOutcome out{.y_TH = download(y_TH)};
    read_plan(layer.plan(), out);
    layer.backward(weights, upload(of_tokens(numbers_.d_y_TH), tokens), d_x_TH, d_x_TH, d_k,
                   on_.work);

    out.d_x_TH = download(d_x_TH);
    out.d_gate_up_E2FH = download(weights.ffn.gate_up_e2FH.gradient);
    out.d_down_EHF = download(weights.ffn.down_eHF.gradient);
    out.d_router_EH = download(weights.router_EH.gradient);
    out.d_gain = download(weights.gain_1.gradient)[0];
    out.d_k = on_.download<double>(d_k)[0];
    out.traffic_P = {layer.traffic()};
    return out;
  }

 private:
  TensorView upload(const std::vector<double>& values, Shape shape) {
    return on_.upload(std::vector<T>(values.begin(), values.end()), shape);
  }
  std::vector<double> download(TensorView tensor) {
    std::vector<double> numbers;
    visit_float(tensor.dtype(), [&]<class Stored>() {
      for (const Stored value : on_.template download<Stored>(tensor))
        numbers.push_back(static_cast<ComputeOf<Stored>>(value));
    });
    return numbers;
  }
  template <class Stored = T>
  Parameter parameter(const std::vector<double>& values, Shape shape) {
    return {on_.upload(std::vector<Stored>(values.begin(), values.end()), shape),
            on_.upload(std::vector<Stored>(values.size()), shape)};
  }
  [[nodiscard]] std::vector<double> of_tokens(const std::vector<double>& values_TH) const {
    return slice(values_TH, first_token_ * case_.hidden, (first_token_ + tokens_) * case_.hidden);
  }

  experts::MoeWeights upload_weights() {
    const std::int64_t here = placement_.experts_per_rank();
    const std::int64_t first = placement_.first_on(ep_.rank()).value;
    const std::int64_t size = case_.hidden * case_.inner;
    const auto of_experts = [&](const std::vector<double>& values, std::int64_t each) {
      return slice(values, first * each, (first + here) * each);
    };
    using Score = ComputeOf<T>;
    return {.router_EH = parameter<Score>(numbers_.router_EH, {case_.num_experts, case_.hidden}),
            .gain_1 = parameter<Score>({1.3}, {1}),
            .ffn = {.gate_up_e2FH = parameter(of_experts(numbers_.gate_up_E2FH, 2 * size),
                                              {here, 2 * case_.inner, case_.hidden}),
                    .down_eHF = parameter(of_experts(numbers_.down_EHF, size),
                                          {here, case_.hidden, case_.inner})}};
  }

  router::RouteStatistics statistics() {
    const int counts = router::CountPlaces{case_.num_experts}.size();
    return {.counts = on_.upload(std::vector<std::int64_t>(static_cast<std::size_t>(counts))),
            .sums = on_.upload(std::vector<double>(router::kNumRouteSums))};
  }

  void read_plan(const router::RoutePlan& plan, MoeOutcome& out) {
    const auto begin_T1 = on_.download(plan.row_begin_T1);
    for (std::size_t t = 0; t + 1 < begin_T1.size(); ++t)
      out.experts_run_T.push_back(begin_T1[t + 1] - begin_T1[t]);
    out.expert_N = on_.download(plan.expert_N);
    out.expert_N.resize(static_cast<std::size_t>(begin_T1.back()));
    out.gate_N = download(plan.gate_N);
    out.gate_N.resize(out.expert_N.size());
  }

  const MoeCase& case_;
  MoeNumbers numbers_;
  OnDevice& on_;
  parallel::Communicator& ep_;
  experts::ExpertPlacement placement_;
  std::int64_t tokens_;
  std::int64_t first_token_ = 0;
};

MoeOutcome put_together(const std::vector<MoeOutcome>& ranks) {
  MoeOutcome all;
  for (const MoeOutcome& rank : ranks) {
    append(all.y_TH, rank.y_TH);
    append(all.d_x_TH, rank.d_x_TH);
    append(all.d_gate_up_E2FH, rank.d_gate_up_E2FH);
    append(all.d_down_EHF, rank.d_down_EHF);
    append(all.gate_N, rank.gate_N);
    add(all.d_router_EH, rank.d_router_EH);
    all.d_gain += rank.d_gain;
    all.d_k += rank.d_k;
    all.experts_run_T.insert(all.experts_run_T.end(), rank.experts_run_T.begin(),
                             rank.experts_run_T.end());
    all.expert_N.insert(all.expert_N.end(), rank.expert_N.begin(), rank.expert_N.end());
    all.traffic_P.push_back(rank.traffic_P.front());
  }
  return all;
}

}  // namespace

MoeNumbers::MoeNumbers(const MoeCase& of)
    : x_TH(normal_numbers<double>(of.tokens() * of.hidden, 11)),
      before_TH(normal_numbers<double>(of.tokens() * of.hidden, 12)),
      d_y_TH(normal_numbers<double>(of.tokens() * of.hidden, 13)),
      router_EH(normal_numbers<double>(of.num_experts * of.hidden, 14, 0.5)),
      gate_up_E2FH(normal_numbers<double>(of.num_experts * 2 * of.inner * of.hidden, 15, 0.5)),
      down_EHF(normal_numbers<double>(of.num_experts * of.hidden * of.inner, 16, 0.5)) {
  if (of.is_whole) be_whole(of);
  if (of.favour_E.empty()) return;
  start_tokens_with_one(of);
  for (std::int64_t e = 0; e < of.num_experts; ++e) {
    router_EH[static_cast<std::size_t>(e * of.hidden)] += of.favour_E[static_cast<std::size_t>(e)];
  }
}

void MoeNumbers::be_whole(const MoeCase& of) {
  x_TH = whole_numbers(std::ssize(x_TH), 21);
  before_TH = whole_numbers(std::ssize(before_TH), 22);
  d_y_TH = whole_numbers(std::ssize(d_y_TH), 23);
  gate_up_E2FH = whole_numbers(std::ssize(gate_up_E2FH), 25);
  down_EHF = whole_numbers(std::ssize(down_EHF), 26);
  // A bias of 128 on h1: its logistic is 1 to the last bit, and silu(h1) is h1.
  start_tokens_with_one(of);
  for (std::int64_t row = 0; row < of.num_experts * 2 * of.inner; ++row) {
    const bool is_h1 = row % (2 * of.inner) < of.inner;
    if (is_h1) gate_up_E2FH[static_cast<std::size_t>(row * of.hidden)] = 128;
  }
}

void MoeNumbers::start_tokens_with_one(const MoeCase& of) {
  // An expert's first weights are then its biases.
  for (std::int64_t t = 0; t < of.tokens(); ++t) x_TH[static_cast<std::size_t>(t * of.hidden)] = 1;
}

void expect_same_outcome(const MoeOutcome& is, const MoeOutcome& should_be,
                         const Tolerance& tolerance) {
  EXPECT_EQ(is.experts_run_T, should_be.experts_run_T);
  EXPECT_EQ(is.expert_N, should_be.expert_N);
  EXPECT_TRUE(near(is.gate_N, should_be.gate_N, tolerance)) << "gates";
  EXPECT_TRUE(near(is.y_TH, should_be.y_TH, tolerance)) << "y";
  EXPECT_TRUE(near(is.d_x_TH, should_be.d_x_TH, tolerance)) << "d_x";
  EXPECT_TRUE(near(is.d_gate_up_E2FH, should_be.d_gate_up_E2FH, tolerance)) << "d_gate_up";
  EXPECT_TRUE(near(is.d_down_EHF, should_be.d_down_EHF, tolerance)) << "d_down";
  EXPECT_TRUE(near(is.d_router_EH, should_be.d_router_EH, tolerance)) << "d_router";
  EXPECT_TRUE(
      near(std::vector{is.d_gain, is.d_k}, std::vector{should_be.d_gain, should_be.d_k}, tolerance))
      << "d_gain, d_k";
}

MoeOutcome run_moe(const MoeCase& of, RankRunner runner) {
  std::vector<MoeOutcome> ranks(of.tokens_P.size());
  runner(static_cast<int>(ranks.size()), [&](parallel::Communicator& ep, OnDevice& on) {
    MoeOutcome& mine = ranks[static_cast<std::size_t>(ep.rank().value)];
    visit_float(of.dtype, [&]<class T>() { mine = RankOfCase<T>(of, ep, on).run(); });
  });
  return put_together(ranks);
}

}  // namespace softmoe::test
