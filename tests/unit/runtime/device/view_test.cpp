#include "runtime/device/view.h"

#include <gmock/gmock.h>

namespace softmoe {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::ThrowsMessage;

TEST(Shape, CountsElementsAndPrintsItself) {
  EXPECT_EQ((Shape{3, 4, 5}).elements(), 60);
  EXPECT_EQ((Shape{3, 0}).elements(), 0);
  EXPECT_EQ((Shape{3, 4}).to_string(), "[3, 4]");
}

TEST(Shape, RefusesNegativeExtentsAndFiveDims) {
  EXPECT_THROW(Shape({-1}), InvalidArgument);
  EXPECT_THROW(Shape({1, 1, 1, 1, 1}), InvalidArgument);
}

TEST(View, GivesAPart) {
  std::vector<int> numbers = {0, 1, 2, 3};
  const View<int> view(numbers.data(), 4);

  EXPECT_THAT(view.part(1, 3).span(), ElementsAre(1, 2));
  EXPECT_THROW((void)view.part(2, 5), InvalidArgument);
}

TEST(TensorView, GivesRowsOfItsOutermostDim) {
  std::vector<float> numbers = {0, 1, 2, 3, 4, 5};
  const TensorView tensor(View<float>(numbers.data(), 6), {3, 2});

  const TensorView rows = tensor.rows(1, 3);

  EXPECT_EQ(rows.shape(), (Shape{2, 2}));
  EXPECT_THAT(rows.as<float>().span(), ElementsAre(2, 3, 4, 5));
  EXPECT_THROW((void)tensor.rows(2, 4), InvalidArgument);
}

TEST(TensorView, RefusesAnotherTypeAndNamesBoth) {
  std::vector<float> numbers = {0};
  const TensorView tensor(View<float>(numbers.data(), 1), {1});

  EXPECT_THAT([&] { (void)tensor.as<double>(); },
              ThrowsMessage<InvalidArgument>(AllOf(HasSubstr("f32"), HasSubstr("f64"))));
}

TEST(TensorView, RefusesAShapeOfAnotherSize) {
  std::vector<float> numbers = {0, 1};
  const View<float> view(numbers.data(), 2);

  EXPECT_THROW(TensorView(view, {3}), InvalidArgument);
  EXPECT_THROW((void)TensorView(view, {2}).reshaped({1, 3}), InvalidArgument);
}

TEST(TensorView, IsEmptyIfItViewsNothing) {
  EXPECT_TRUE(TensorView().empty());
}

}  // namespace
}  // namespace softmoe
