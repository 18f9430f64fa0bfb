#include "coordinator/journal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <csignal>
#include <fstream>
#include <limits>
#include <random>

#include "runtime/storage/posix_file_system.h"
#include "tests/support/faulty_file_system.h"
#include "tests/support/storage_error_matcher.h"
#include "tests/support/temporary_directory.h"
#include "tests/unit/coordinator/honest_run.h"

namespace softmoe::coordinator {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

RunIdentity this_run() {
  return plan_of(2).identity;
}

std::vector<std::string> texts_of(const std::vector<JournalEntry>& entries) {
  std::vector<std::string> texts;
  for (const JournalEntry& entry : entries) texts.push_back(encode(entry));
  return texts;
}

/// One entry of each kind, with numbers that are hard to write down.
std::vector<JournalEntry> some_entries() {
  budget::SetPoints set_points;
  set_points.budget = 0.1 + 0.2;
  set_points.initial_lambda = -0.0;
  set_points.min_lambda = -std::numeric_limits<double>::max();
  set_points.max_lambda = std::numeric_limits<double>::denorm_min();
  set_points.layer_cost_L = {1.0 / 3.0, 1e-300};
  set_points.layer_min_L = {0.0, 5e-324};
  set_points.temperature.kind = budget::TemperatureKind::boundary_mass;
  set_points.revision = 7;
  set_points.term = 3;
  return {TermEntry{3},
          ChangeEntry{{Step{43}, set_points}},
          RequestEntry{{1, budget::Request::drain}},
          ToldEntry{1, std::numeric_limits<std::uint64_t>::max()},
          OverEntry{1},
          DigestEntry{.last_record = Step{99},
                      .state = {.lambda = 0.7,
                                .alpha = 1.1,
                                .debt = -1e-17,
                                .gain = 4.2,
                                .last_record = Step{99}},
                      .revision = 7,
                      .audit = {.agreed = 99, .disagreed = 1},
                      .alarm_counts = {1, 2, 3, 4, 5, 6, 7}},
          AlarmEntry{{AlarmKind::hang, 1234, Step{99}, "rank 2 is \"silent\"\\ for 6.1 s"}}};
}

class JournalFile : public ::testing::Test {
 protected:
  std::filesystem::path file() const { return folder_ / "journal.jsonl"; }
  std::string read() const {
    std::ifstream in(file(), std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  void write(const std::string& text) const {
    std::ofstream(file(), std::ios::binary | std::ios::trunc) << text;
  }
  /// Opens, reads and closes.
  std::vector<std::string> recovered() {
    Journal journal(files_, folder_.path());
    return texts_of(journal.recover(this_run()));
  }
  void fill() {
    Journal journal(files_, folder_.path());
    (void)journal.recover(this_run());
    for (const JournalEntry& entry : some_entries()) journal.append(entry);
  }

  TemporaryDirectory folder_;
  storage::PosixFileSystem files_;
};

TEST_F(JournalFile, GivesBackWhatWasWrittenBitForBit) {
  fill();

  EXPECT_EQ(recovered(), texts_of(some_entries()));
}

TEST(JournalEntry, KeepsEveryBitOfADouble) {
  std::mt19937_64 random(5);
  for (int trial = 0; trial < 20000; ++trial) {
    const double number = std::bit_cast<double>(random());
    if (!std::isfinite(number)) continue;
    DigestEntry digest;
    digest.state.debt = number;
    const auto back = std::get<DigestEntry>(decode(encode(digest)));
    ASSERT_EQ(std::bit_cast<std::uint64_t>(back.state.debt), std::bit_cast<std::uint64_t>(number));
  }
}

TEST(JournalEntry, RefusesWhatWouldNotComeBack) {
  DigestEntry digest;
  digest.state.lambda = std::numeric_limits<double>::quiet_NaN();
  EXPECT_THROW((void)encode(digest), InvalidArgument);
  EXPECT_THROW((void)encode(AlarmEntry{{.text = "\xff\xfe"}}), InvalidArgument);
}

TEST(JournalEntry, RefusesTextsThatAreNoEntry) {
  for (const char* text :
       {"", "{}", "[]", "3", R"({"kind":"term"})", R"({"kind":"term","term":"x"})",
        R"({"kind":"nonsense"})", R"({"kind":"request","number":1,"request":3})",
        R"({"kind":"alarm","alarm":99,"unix_seconds":0,"step":0,"text":""})"}) {
    EXPECT_THROW((void)decode(text), InvalidArgument) << text;
  }
}

TEST_F(JournalFile, GoesOnBehindWhatItHolds) {
  fill();
  {
    Journal journal(files_, folder_.path());
    (void)journal.recover(this_run());
    journal.append(TermEntry{4});
  }
  std::vector<std::string> expected = texts_of(some_entries());
  expected.push_back(encode(TermEntry{4}));

  EXPECT_EQ(recovered(), expected);
}

TEST_F(JournalFile, CutAnywhereItGivesBackTheWholeLinesBeforeTheCut) {
  fill();
  const std::string whole = read();
  const std::vector<std::string> all = texts_of(some_entries());
  for (std::size_t cut = 0; cut < whole.size(); ++cut) {
    write(whole.substr(0, cut));
    const auto num_lines = std::count(whole.begin(), whole.begin() + static_cast<long>(cut), '\n');
    const auto num_entries = static_cast<std::size_t>(std::max<std::ptrdiff_t>(num_lines - 1, 0));

    const std::vector<std::string> found = recovered();

    ASSERT_EQ(found,
              std::vector<std::string>(all.begin(), all.begin() + static_cast<long>(num_entries)))
        << "cut at byte " << cut;
    ASSERT_EQ(recovered(), found) << "the torn line is gone for good";
  }
}

TEST_F(JournalFile, WithAnyByteChangedItRefusesOrGivesBackAPrefix) {
  fill();
  const std::string whole = read();
  const std::vector<std::string> all = texts_of(some_entries());
  int num_refused = 0;
  for (std::size_t at = 0; at < whole.size(); ++at) {
    for (const int flipped : {0x01, 0x20, 0x80, static_cast<int>(whole[at])}) {
      std::string damaged = whole;
      damaged[at] = static_cast<char>(damaged[at] ^ flipped);
      write(damaged);
      try {
        const std::vector<std::string> found = recovered();
        ASSERT_EQ(found.size() + 1, all.size()) << "byte " << at << " ^ " << flipped;
        ASSERT_TRUE(std::equal(found.begin(), found.end(), all.begin())) << at;
      } catch (const StorageError& error) {
        ASSERT_EQ(error.kind(), StorageError::Kind::bad_format);
        ++num_refused;
      }
    }
  }
  EXPECT_GT(num_refused, static_cast<int>(whole.size()) * 3);
}

TEST_F(JournalFile, LinesThatAreMissingMovedOrDoubledAreDamage) {
  fill();
  const std::string whole = read();
  std::vector<std::string> lines;
  for (std::size_t begin = 0; begin < whole.size();) {
    const std::size_t end = whole.find('\n', begin) + 1;
    lines.push_back(whole.substr(begin, end - begin));
    begin = end;
  }
  const auto joined = [](const std::vector<std::string>& parts) {
    std::string text;
    for (const std::string& part : parts) text += part;
    return text;
  };
  for (std::size_t i = 0; i + 1 < lines.size(); ++i) {
    auto missing = lines;
    missing.erase(missing.begin() + static_cast<long>(i));
    auto swapped = lines;
    std::swap(swapped[i], swapped[i + 1]);
    auto doubled = lines;
    doubled.insert(doubled.begin() + static_cast<long>(i), lines[i]);
    for (const auto& damaged : {missing, swapped, doubled}) {
      write(joined(damaged));
      EXPECT_THAT([&] { (void)recovered(); },
                  FailsWith(StorageError::Kind::bad_format, HasSubstr("line")));
    }
  }
}

TEST_F(JournalFile, DamageIsNamedWithFileLineAndCure) {
  fill();
  std::string damaged = read();
  damaged[damaged.find("\"term\"") + 1] = 'T';
  write(damaged);

  EXPECT_THAT([&] { (void)recovered(); },
              FailsWith(StorageError::Kind::bad_format, AllOf(HasSubstr("journal.jsonl' line 2"),
                                                              HasSubstr("Move the file away"))));
}

TEST_F(JournalFile, SectorsThatWereNeverWrittenAreATornLine) {
  {
    Journal journal(files_, folder_.path());
    (void)journal.recover(this_run());
    budget::SetPoints wide;
    wide.layer_cost_L.assign(600, 1.25);
    journal.append(TermEntry{1});
    journal.append(ChangeEntry{{Step{4}, wide}});
  }
  const std::string whole = read();
  ASSERT_GT(whole.size(), 2048u);
  std::string torn = whole;
  std::fill(torn.begin() + 1024, torn.begin() + 1536, '\0');
  write(torn);
  EXPECT_EQ(recovered(), texts_of({TermEntry{1}}));

  std::string damaged = whole;
  std::fill(damaged.begin() + 1025, damaged.begin() + 1536, '\0');
  write(damaged);
  EXPECT_THAT([&] { (void)recovered(); }, FailsWith(StorageError::Kind::bad_format, HasSubstr("")))
      << "no sector is written in part";
}

TEST_F(JournalFile, OfAnotherRunOrConfigurationIsRefusedWithBothNames) {
  fill();
  RunIdentity other = this_run();
  other.run_id = "run-2";
  Journal journal(files_, folder_.path());
  EXPECT_THAT(
      [&] { (void)journal.recover(other); },
      FailsWith(StorageError::Kind::bad_format, AllOf(HasSubstr("'run-1'"), HasSubstr("'run-2'"))));

  other = this_run();
  other.config_hash = "beef";
  EXPECT_THAT(
      [&] { (void)journal.recover(other); },
      FailsWith(StorageError::Kind::bad_format, AllOf(HasSubstr("'c0ffee'"), HasSubstr("'beef'"))));

  other = this_run();
  other.world = 64;
  other.version = "0.2.0";
  EXPECT_EQ(texts_of(journal.recover(other)), texts_of(some_entries()));
}

TEST_F(JournalFile, HasOneOwner) {
  const Journal first(files_, folder_.path());

  EXPECT_THAT([&] { Journal second(files_, folder_.path()); },
              FailsWith(StorageError::Kind::cannot_write,
                        AllOf(HasSubstr("held by another coordinator"),
                              HasSubstr("pid " + std::to_string(::getpid())))));
}

TEST_F(JournalFile, AnOwnerThatWasKilledBlocksNobody) {
  const pid_t child = ::fork();
  if (child == 0) {
    Journal journal(files_, folder_.path());
    (void)journal.recover(this_run());
    journal.append(TermEntry{1});
    ::kill(::getpid(), SIGKILL);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status));

  EXPECT_EQ(recovered(), texts_of({TermEntry{1}}));
}

TEST_F(JournalFile, AfterAFailedWriteItIsAsBefore) {
  FaultyFileSystem faulty(files_);
  for (int failing = 0; failing < 8; ++failing) {
    std::filesystem::remove(file());
    Journal journal(faulty, folder_.path());
    (void)journal.recover(this_run());
    journal.append(TermEntry{1});
    faulty.fail_at(failing, FaultyFileSystem::Fault::once);
    std::vector<JournalEntry> promised = {TermEntry{1}};
    for (std::int64_t term = 2; term < 6; ++term) {
      try {
        journal.append(TermEntry{term});
        promised.push_back(TermEntry{term});
      } catch (const StorageError&) {
      }
    }
    faulty.fail_at(-1, FaultyFileSystem::Fault::once);

    EXPECT_EQ(promised.size(), 4u) << failing;
    const std::string copy = read();
    EXPECT_EQ(std::count(copy.begin(), copy.end(), '\n'), 5) << failing;
  }
}

TEST_F(JournalFile, ADiskThatIsFullForGoodLosesNothingThatWasPromised) {
  FaultyFileSystem faulty(files_);
  for (int failing = 0; failing < 8; ++failing) {
    std::filesystem::remove(file());
    std::vector<JournalEntry> promised;
    {
      Journal journal(faulty, folder_.path());
      (void)journal.recover(this_run());
      faulty.fail_at(failing, FaultyFileSystem::Fault::forever);
      for (std::int64_t term = 1; term < 6; ++term) {
        try {
          journal.append(TermEntry{term});
          promised.push_back(TermEntry{term});
        } catch (const StorageError&) {
        }
      }
    }
    faulty.fail_at(-1, FaultyFileSystem::Fault::once);

    const std::vector<std::string> found = recovered();

    const std::vector<std::string> expected = texts_of(promised);
    ASSERT_GE(found.size(), expected.size());
    EXPECT_TRUE(std::equal(expected.begin(), expected.end(), found.begin())) << failing;
    EXPECT_LE(found.size(), expected.size() + 1) << "at most the one that was refused last";
  }
}

}  // namespace
}  // namespace softmoe::coordinator
