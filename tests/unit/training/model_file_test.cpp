#include "training/model_file.h"

#include <gmock/gmock.h>

#include "runtime/storage/posix_file_system.h"
#include "runtime/storage/safetensors_writer.h"
#include "tests/support/faulty_file_system.h"
#include "tests/support/storage_error_matcher.h"
#include "tests/support/temporary_directory.h"
#include "tests/unit/training/model_on_ranks.h"

namespace softmoe::training {
namespace {

using test::Layout;
using test::ModelOnRanks;
using test::OnDevice;
using testing::_;
using testing::AllOf;
using testing::HasSubstr;
using Kind = StorageError::Kind;
using Tensors = std::map<std::string, std::string>;

ModelInfo some_info() {
  return {.step = Step(300),
          .config_yaml = "model:\n  vocabulary: 11\n",
          .vocabulary = 11,
          .tokenizer_hash = "b2c1",
          .routing = {.alpha = 0.8, .lambda = 0.1, .total_mass = test::kTinyMass, .budget = 3.5}};
}

class ModelFileTest : public testing::Test {
 protected:
  using Options = ModelOnRanks::Options;
  using Use = std::function<void(ModelOnRanks&)>;

  void on_ranks(const Layout& layout, const Options& options, const Use& use) {
    test::run_ranks(layout.world, [&](parallel::Communicator& world, OnDevice& on) {
      ModelOnRanks m(world, layout.expert_parallel, on, options);
      use(m);
    });
  }

  [[nodiscard]] ModelFileParts parts(ModelOnRanks& m) {
    return {.model = m.model, .groups = m.groups, .files = files_, .work = m.on.work};
  }

  void save_on(const Layout& layout, const storage::Path& path, const Options& options = {}) {
    on_ranks(layout, options, [&](ModelOnRanks& m) { save_model(parts(m), some_info(), path); });
  }

  /// All tensors of the model with the seed `options.seed`.
  [[nodiscard]] Tensors tensors_of(const Options& options) {
    Tensors tensors;
    on_ranks({}, options, [&](ModelOnRanks& m) { tensors = m.tensors(); });
    return tensors;
  }

  /// Expects that no rank loads the file, each for the reason given, and that no model changes.
  void expect_refused(const Layout& layout, const storage::Path& path, Kind kind,
                      const testing::Matcher<const char*>& why, const Options& options = {}) {
    on_ranks(layout, options, [&](ModelOnRanks& m) {
      const Tensors before = m.tensors();
      EXPECT_THAT([&] { load_model(parts(m), path); }, FailsWith(kind, why));
      EXPECT_EQ(m.tensors(), before);
    });
  }

  [[nodiscard]] std::string contents(const storage::Path& path) {
    return storage::read_text(files_, path, 1 << 24);
  }
  void write(const storage::Path& path, std::string_view text) {
    storage::write_file(files_, path, storage::bytes_of(text));
  }

  TemporaryDirectory directory_;
  storage::PosixFileSystem files_;
  const storage::Path path_ = directory_ / "model.safetensors";
};

TEST_F(ModelFileTest, GivesEveryTensorBackBitForBitOnAnyLayout) {
  const Tensors saved = tensors_of({.seed = 1});
  save_on({.world = 2, .expert_parallel = 2}, path_, {.seed = 1});

  for (const Layout& layout : {Layout{1, 1}, Layout{2, 2}, Layout{4, 4}, Layout{4, 2}}) {
    on_ranks(layout, {.seed = 2}, [&](ModelOnRanks& m) {
      EXPECT_EQ(load_model(parts(m), path_), some_info());

      for (const auto& [name, bytes] : m.tensors()) EXPECT_EQ(bytes, saved.at(name)) << name;
    });
  }
}

TEST_F(ModelFileTest, HandsTheMeanCutsToTheModelOnEveryRank) {
  on_ranks({}, {}, [&](ModelOnRanks& m) {
    ModelInfo info = some_info();
    info.routing.cut_L = {-0.75, 0.5};
    save_model(parts(m), info, path_);
  });

  on_ranks({.world = 2, .expert_parallel = 2}, {.seed = 2}, [&](ModelOnRanks& m) {
    load_model(parts(m), path_);
    EXPECT_THAT(m.model.routing().cuts(), testing::ElementsAre(-0.75, 0.5));
  });
}

TEST_F(ModelFileTest, WithoutMeanCutsLeavesLambdaInForce) {
  save_on({}, path_);

  on_ranks({}, {.seed = 2}, [&](ModelOnRanks& m) {
    m.model.routing().set_cuts(std::vector<double>{1.0, 2.0});
    load_model(parts(m), path_);
    EXPECT_TRUE(m.model.routing().cuts().empty());
  });
}

TEST_F(ModelFileTest, RefusesMeanCutsOfAnotherNumberOfLayers) {
  on_ranks({}, {}, [&](ModelOnRanks& m) {
    ModelInfo info = some_info();
    info.routing.cut_L = {-0.75};
    save_model(parts(m), info, path_);
  });

  expect_refused({.world = 2, .expert_parallel = 2}, path_, Kind::bad_format,
                 HasSubstr("the mean cuts of 1 layers with experts, and the model has 2"));
}

TEST_F(ModelFileTest, IsTheSameFileForAnyLayout) {
  save_on({}, path_);
  const std::string alone = contents(path_);

  for (const Layout& layout : {Layout{2, 2}, Layout{2, 1}, Layout{4, 4}, Layout{4, 2}}) {
    save_on(layout, path_);
    EXPECT_TRUE(contents(path_) == alone) << layout.world << " ranks";
  }
}

TEST_F(ModelFileTest, KeepsAModelInDoublePrecision) {
  const Tensors saved = tensors_of({.seed = 1, .dtype = DType::f64});
  save_on({.world = 2, .expert_parallel = 2}, path_, {.seed = 1, .dtype = DType::f64});

  on_ranks({}, {.seed = 2, .dtype = DType::f64}, [&](ModelOnRanks& m) {
    load_model(parts(m), path_);

    EXPECT_EQ(m.tensors(), saved);
  });
}

TEST_F(ModelFileTest, TellsItsInfoWithoutAModel) {
  save_on({}, path_);

  EXPECT_EQ(read_model_info(files_, path_), some_info());
}

TEST_F(ModelFileTest, NamesATensorOfAnotherShape) {
  save_on({}, path_);
  Options wider;
  wider.config.experts.inner = 7;

  expect_refused({.world = 2, .expert_parallel = 2}, path_, Kind::bad_format,
                 AllOf(HasSubstr("'layers.1.experts.0.down' has the shape [8, 5]"),
                       HasSubstr("[8, 7] is expected"), HasSubstr("more differences"),
                       HasSubstr("Build the model from the configuration")),
                 wider);
}

TEST_F(ModelFileTest, NamesATensorThatIsMissingAndOneThatIsTooMany) {
  Options without_shared_expert;
  without_shared_expert.config.shared_inner = 0;
  save_on({}, path_);
  const storage::Path smaller = directory_ / "smaller.safetensors";
  save_on({}, smaller, without_shared_expert);

  expect_refused({}, smaller, Kind::bad_format,
                 HasSubstr("the tensor 'layers.1.shared.down' of shape [8, 5] is missing"));
  expect_refused({}, path_, Kind::bad_format,
                 HasSubstr("it has a tensor 'layers.1.shared.down' of shape [8, 5] that the model"),
                 without_shared_expert);
}

TEST_F(ModelFileTest, NamesATensorOfAnotherType) {
  save_on({}, path_, {.dtype = DType::f64});

  expect_refused({}, path_, Kind::bad_format,
                 HasSubstr("'embedding' has elements of type F64, and F32 is expected"));
}

TEST_F(ModelFileTest, RefusesFilesOfOthers) {
  const storage::Path foreign = directory_ / "foreign.safetensors";
  storage::SafetensorsWriter(files_, foreign, {}, {{"format", "pt"}}).finish();
  const storage::Path text = directory_ / "text";
  write(text, "once upon a time");

  expect_refused({}, foreign, Kind::bad_format,
                 AllOf(HasSubstr("foreign.safetensors"), HasSubstr("not a model of this program")));
  expect_refused({}, text, Kind::bad_format, HasSubstr("not a safetensors file"));
  expect_refused({}, directory_ / "nothing", Kind::missing, HasSubstr("nothing"));
  EXPECT_THAT([&] { (void)read_model_info(files_, foreign); },
              FailsWith(Kind::bad_format, HasSubstr("not a model of this program")));
}

TEST_F(ModelFileTest, FindsEveryByteThatChangedAndLoadsNothing) {
  save_on({}, path_);
  const std::string intact = contents(path_);

  on_ranks({}, {.seed = 2}, [&](ModelOnRanks& m) {
    const Tensors before = m.tensors();
    for (std::size_t place = 0; place < intact.size(); place += 61) {
      std::string damaged = intact;
      damaged[place] = static_cast<char>(damaged[place] ^ 1);
      write(path_, damaged);

      EXPECT_THAT([&] { load_model(parts(m), path_); }, FailsWith(Kind::bad_format, _))
          << "byte " << place << " of " << intact.size();
    }
    EXPECT_EQ(m.tensors(), before);
  });
}

TEST_F(ModelFileTest, RefusesAFileCutShort) {
  save_on({}, path_);
  const std::string intact = contents(path_);

  for (const std::size_t size :
       {std::size_t{0}, std::size_t{5}, intact.size() / 2, intact.size() - 1}) {
    write(path_, std::string_view(intact).substr(0, size));
    expect_refused({}, path_, Kind::bad_format, HasSubstr("not a safetensors file"), {.seed = 2});
  }
}

TEST_F(ModelFileTest, IsLoadedByAllRanksOrByNone) {
  save_on({}, path_);
  std::string damaged = contents(path_);
  // Experts of layer 2 are read by the last rank only; its bytes are found by their value.
  const std::string victim = tensors_of({}).at("layers.2.experts.3.down");
  damaged[damaged.find(victim)] ^= 1;
  write(path_, damaged);

  expect_refused({.world = 4, .expert_parallel = 4}, path_, Kind::bad_format,
                 AllOf(HasSubstr("rank 3"), HasSubstr("'layers.2.experts.3.down' does not fit its "
                                                      "checksum")),
                 {.seed = 2});
}

TEST_F(ModelFileTest, FailsOnAllRanksAndKeepsTheOldFileWhateverWriteFails) {
  const Layout layout{.world = 2, .expert_parallel = 2};
  save_on(layout, path_, {.seed = 1});
  const std::string old = contents(path_);
  FaultyFileSystem counting(files_);
  on_ranks(layout, {.seed = 1}, [&](ModelOnRanks& m) {
    ModelFileParts through = {m.model, m.groups, counting, m.on.work};
    save_model(through, some_info(), path_);
  });
  const int operations = counting.operations();
  ASSERT_GT(operations, 20);

  // The last operation makes the new name durable: then the new file may stand there.
  for (int failing = 0; failing < operations - 1; ++failing) {
    FaultyFileSystem faulty(files_);
    faulty.fail_at(failing, FaultyFileSystem::Fault::once);
    on_ranks(layout, {.seed = 2}, [&](ModelOnRanks& m) {
      ModelFileParts through = {m.model, m.groups, faulty, m.on.work};
      EXPECT_THAT([&] { save_model(through, some_info(), path_); },
                  FailsWith(Kind::cannot_write, HasSubstr("injected fault")))
          << "operation " << failing;
    });
    EXPECT_TRUE(contents(path_) == old) << "operation " << failing;
    EXPECT_THAT(files_.list(directory_.path()), testing::ElementsAre("model.safetensors"));
  }
}

}  // namespace
}  // namespace softmoe::training
