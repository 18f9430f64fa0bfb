#include "training/model_info.h"

#include <gmock/gmock.h>

#include <cmath>

#include "tests/support/storage_error_matcher.h"
#include "tests/unit/training/model_on_ranks.h"

namespace softmoe::training {
namespace {

using testing::AllOf;
using testing::DoubleEq;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::ThrowsMessage;
using Kind = StorageError::Kind;

/// Numbers that a short decimal would not bring back.
ModelInfo awkward_info() {
  return {.step = Step(123'456'789'012),
          .config_yaml = "model:\n  name: \"α β\"\n",
          .vocabulary = 4096,
          .tokenizer_hash = "b2c1",
          .routing = {.alpha = 1.0 / 3,
                      .lambda = -0.1 - 1e-17,
                      .threshold = 0.2,
                      .cap_factor = 4,
                      .total_mass = 8.000000000000002,
                      .budget = 1e-300,
                      .soft_mass_L = {std::nextafter(2.0, 3.0), 5.0 / 7},
                      .seed = 0xffff'ffff'ffff'fffeULL,
                      .cut_L = {-1.0 / 3, std::nextafter(1.0, 2.0)},
                      .controller = {.lambda = 0.7,
                                     .alpha = 2.0 / 3,
                                     .debt = -1e22,
                                     .gain = 4.9e-324,
                                     .last_record = Step(-1)}}};
}

TEST(ModelInfo, ComesBackBitForBit) {
  const TensorChecksums checksums = {{"embedding", 4'294'967'295U}, {"final_norm", 0}};

  const ParsedMetadata parsed = parse_metadata(to_metadata(awkward_info(), checksums), "m");

  EXPECT_EQ(parsed.info, awkward_info());
  EXPECT_EQ(parsed.checksums, checksums);
}

TEST(ModelInfo, RefusesNumbersThatJsonDoesNotHave) {
  ModelInfo info = awkward_info();
  info.routing.controller.debt = NAN;

  EXPECT_THAT(
      [&] { (void)to_metadata(info, {}); },
      ThrowsMessage<InvalidArgument>(AllOf(HasSubstr("controller.debt"), HasSubstr("nan"))));
}

TEST(ModelInfo, RefusesACutThatIsNotFinite) {
  ModelInfo info = awkward_info();
  info.routing.cut_L[1] = NAN;

  EXPECT_THAT([&] { (void)to_metadata(info, {}); },
              ThrowsMessage<InvalidArgument>(AllOf(HasSubstr("cuts"), HasSubstr("nan"))));
}

TEST(ModelInfo, ReadsFilesOfBeforeThereWereCuts) {
  // As the program before quotas wrote it.
  const Metadata old = {
      {"config", "model: {}\n"},
      {"metadata_crc32c", "1479623698"},
      {"routing",
       R"({"alpha":1.0,"budget":8.0,"cap_factor":4.0,"controller":{"alpha":1.0,"debt":0.0,)"
       R"("gain":2.0,"lambda":0.5,"last_record":9},"lambda":0.5,"seed":42,"soft_mass":[2.0,2.0],)"
       R"("threshold":0.2,"total_mass":4.0})"},
      {"softmoe_model_version", "1"},
      {"step", "10"},
      {"tensor_crc32c", "{}"},
      {"tokenizer_hash", ""},
      {"vocabulary", "64"}};

  const SavedRouting routing = parse_metadata(old, "m").info.routing;

  EXPECT_TRUE(routing.cut_L.empty());
  EXPECT_EQ(routing.lambda, 0.5);
}

TEST(ModelInfo, FindsAnyEntryThatWasChangedOrRemoved) {
  const Metadata intact = to_metadata(awkward_info(), {{"embedding", 7}});

  for (const auto& [name, text] : intact) {
    Metadata changed = intact;
    changed[name] += "0";
    EXPECT_THAT([&] { (void)parse_metadata(changed, "m"); },
                FailsWith(Kind::bad_format, HasSubstr("'m'")))
        << name;
    Metadata removed = intact;
    removed.erase(name);
    EXPECT_THAT([&] { (void)parse_metadata(removed, "m"); },
                FailsWith(Kind::bad_format, HasSubstr("'m'")))
        << name;
  }
}

TEST(ModelInfo, SaysThatAFileIsOfALaterVersion) {
  Metadata later = to_metadata(awkward_info(), {});
  later["softmoe_model_version"] = std::to_string(2);

  EXPECT_THAT([&] { (void)parse_metadata(later, "m"); },
              FailsWith(Kind::bad_format, HasSubstr("format version 2, and this program reads "
                                                    "version 1")));
}

TEST(ModelInfo, TakesTheRoutingOfAModelInTraining) {
  test::run_ranks(1, [](parallel::Communicator& world, test::OnDevice& on) {
    test::ModelOnRanks m(world, 1, on);
    m.model.begin_step({.alpha = 0.7, .lambda = 0.25}, on.stream);
    m.model.routing().set_cuts(std::vector<double>{-0.5, 0.5});
    const budget::ControlWord word{.step = Step(9), .lambda = 0.25, .alpha = 0.7, .budget = 3.25};
    const budget::ControllerState state{.lambda = 0.3, .debt = 1.5, .last_record = Step(8)};

    const SavedRouting routing = routing_of(m.model, word, state, /*seed=*/42);

    EXPECT_EQ(routing.control().alpha, 0.7);
    EXPECT_EQ(routing.control().lambda, 0.25);
    EXPECT_EQ(routing.budget, 3.25);
    EXPECT_EQ(routing.threshold, m.options.config.router.threshold);
    EXPECT_EQ(routing.cap_factor, 2.0);
    EXPECT_EQ(routing.total_mass, test::kTinyMass);
    EXPECT_THAT(routing.soft_mass_L, ElementsAre(DoubleEq(1.5), DoubleEq(1.5)));
    EXPECT_EQ(routing.seed, 42U);
    EXPECT_THAT(routing.cut_L, ElementsAre(-0.5, 0.5));
    EXPECT_EQ(routing.controller, state);
  });
}

}  // namespace
}  // namespace softmoe::training
