#include "training/report/markup.h"

#include <gmock/gmock.h>

#include "runtime/base/errors.h"
#include "tests/unit/training_report/run_files.h"

namespace softmoe::training {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(Escaping, LeavesNothingOfMarkup) {
  EXPECT_EQ(escaped(R"(<script>alert("1" & '2')</script>)"),
            "&lt;script&gt;alert(&quot;1&quot; &amp; &#39;2&#39;)&lt;/script&gt;");
}

TEST(Escaping, KeepsGoodTextAndReplacesWhatIsNone) {
  EXPECT_EQ(escaped("λ → 8 ¼ 🦀\n"), "λ → 8 ¼ 🦀\n");
  EXPECT_EQ(escaped(std::string("a\0b\x1b\x7f", 5)), "a\uFFFDb\uFFFD\uFFFD");
  EXPECT_EQ(escaped("\xC3"), "\uFFFD");                      // cut
  EXPECT_EQ(escaped("\xC0\xBC"), "\uFFFD\uFFFD");            // a long way to say <
  EXPECT_EQ(escaped("\xED\xA0\x80"), "\uFFFD\uFFFD\uFFFD");  // half a pair
  EXPECT_EQ(escaped("\xF4\x90\x80\x80").find('\xF4'), std::string::npos);
}

TEST(Escaping, IsSafeForAnyBytes) {
  for (int high = 0; high < 256; ++high) {
    for (int low = 0; low < 256; ++low) {
      const std::string safe =
          escaped(std::string{static_cast<char>(high), static_cast<char>(low)});

      EXPECT_EQ(safe.find_first_of("<>\"'"), std::string::npos);
      EXPECT_EQ(escaped(safe).find("\uFFFD") == std::string::npos,
                safe.find("\uFFFD") == std::string::npos);
    }
  }
}

TEST(Markup, ClosesWhatItOpens) {
  Markup page;
  {
    const auto outer = page.element("p", {{"class", "a\" onload=\"b"}});
    page.leaf("b", "1 < 2");
    page.empty("br", {});
  }

  EXPECT_EQ(page.html(), "<p class=\"a&quot; onload=&quot;b\"><b>1 &lt; 2</b><br/></p>\n");
}

TEST(Markup, IsNotGivenAwayWithAnOpenElement) {
  Markup page;
  const auto open = page.element("p");

  EXPECT_THROW((void)page.html(), InternalError);
}

TEST(NestingCheck, SeesWhatIsBroken) {
  EXPECT_EQ(broken_nesting("<!DOCTYPE html><p><b>x</b></p>"), "");
  EXPECT_THAT(broken_nesting("<!DOCTYPE html><p><b>x</p></b>"), HasSubstr("not open"));
  EXPECT_THAT(broken_nesting("<!DOCTYPE html><p>"), HasSubstr("never closed"));
  EXPECT_THAT(broken_nesting("<!DOCTYPE html><p a=\"1\" a=\"2\"></p>"), HasSubstr("twice"));
  EXPECT_THAT(broken_nesting("<!DOCTYPE html><p a=1></p>"), Not(std::string()));
}

}  // namespace
}  // namespace softmoe::training
