#include "training/corpus/corpus_split.h"

#include <gmock/gmock.h>

#include <algorithm>

#include "runtime/base/errors.h"

namespace softmoe::training {
namespace {

using ::testing::UnorderedElementsAre;

std::vector<std::string> numbered_names(int count) {
  std::vector<std::string> names;
  for (int i = 0; i < count; ++i) names.push_back("folder/document-" + std::to_string(i) + ".txt");
  return names;
}

TEST(CorpusSplit, SetsTheFractionApart) {
  const std::vector<std::string> names = numbered_names(10'000);

  const std::vector<Split> splits = split_documents(names, 0.1);

  // Binomial: 1000 with a standard deviation of 30.
  EXPECT_NEAR(static_cast<double>(std::count(splits.begin(), splits.end(), Split::validation)),
              1000, 120);
}

TEST(CorpusSplit, DoesNotMoveDocumentsWhenOthersCome) {
  const std::vector<std::string> names = numbered_names(1000);
  const std::vector<std::string> fewer(names.begin(), names.begin() + 500);

  const std::vector<Split> splits = split_documents(names, 0.2);

  EXPECT_TRUE(
      std::equal(splits.begin(), splits.begin() + 500, split_documents(fewer, 0.2).begin()));
}

TEST(CorpusSplit, GivesEachSideADocument) {
  const std::vector<std::string> names = numbered_names(2);

  EXPECT_THAT(split_documents(names, 1e-9), UnorderedElementsAre(Split::train, Split::validation));
  EXPECT_THAT(split_documents(names, 1 - 1e-9),
              UnorderedElementsAre(Split::train, Split::validation));
  EXPECT_THAT(split_documents(std::vector<std::string>{"same", "same"}, 0.5),
              UnorderedElementsAre(Split::train, Split::validation));
}

TEST(CorpusSplit, RefusesOneDocumentAndFractionsOutsideTheUnitInterval) {
  EXPECT_THROW((void)split_documents(numbered_names(1), 0.5), InvalidArgument);
  EXPECT_THROW((void)split_documents(numbered_names(3), 0.0), InvalidArgument);
  EXPECT_THROW((void)split_documents(numbered_names(3), 1.0), InvalidArgument);
}

TEST(CorpusSplit, ScattersBySalt) {
  EXPECT_NE(scatter("a", 1), scatter("a", 2));
  EXPECT_EQ(scatter("a", 1), scatter("a", 1));
}

}  // namespace
}  // namespace softmoe::training
