#include "coordinator/wire.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <limits>
#include <set>
#include <vector>

#include "coordinator/coordinator.pb.h"
#include "tests/unit/coordinator_wire/random_message.h"
#include "tests/unit/coordinator_wire/refused_matcher.h"

namespace softmoe::coordinator {
namespace {

using testing::HasSubstr;

template <class Message>
class Wire : public testing::Test {};

using Messages = testing::Types<Registration, Admission, Heartbeat, HeartbeatReply, RecordReport,
                                RecordReply, Farewell, Empty, StatusRequest, Status, ChangeOrder,
                                ChangeReply, RequestOrder, NumberedRequest>;
TYPED_TEST_SUITE(Wire, Messages);

/// Decodes and says whether that worked; anything but Refused gets through.
template <class Message>
bool is_accepted(std::string_view bytes) {
  try {
    // What was accepted can be said again, and is the same.
    const std::string again = encode(decode<Message>(bytes));
    EXPECT_EQ(encode(decode<Message>(again)), again);
    return true;
  } catch (const Refused& refused) {
    EXPECT_TRUE(refused.reason() == Reason::malformed || refused.reason() == Reason::version);
    EXPECT_STRNE(refused.what(), "");
    return false;
  }
}

// Equal bytes are equal messages, because every field is in them: see the next test.
TYPED_TEST(Wire, CarriesAnyMessageThereAndBack) {
  RandomMessage random(42);
  for (int i = 0; i < 200; ++i) {
    const auto message = random.draw<TypeParam>();
    const std::string bytes = encode(message);

    const auto arrived = decode<TypeParam>(bytes);

    ASSERT_EQ(encode(arrived), bytes);
  }
}

TYPED_TEST(Wire, SurvivesNoise) {
  RandomMessage random(7);
  for (int i = 0; i < 500; ++i) {
    std::string bytes(static_cast<std::size_t>(random.integer(0, 300)), '\0');
    for (char& byte : bytes) byte = static_cast<char>(random.integer(0, 255));
    is_accepted<TypeParam>(bytes);
  }
}

TYPED_TEST(Wire, SurvivesMutatedMessages) {
  RandomMessage random(9);
  int num_refused = 0;
  for (int i = 0; i < 1000; ++i) {
    std::string bytes = encode(random.draw<TypeParam>());
    for (std::int64_t n = random.integer(1, 4); n > 0 && !bytes.empty(); --n) {
      const auto at =
          static_cast<std::size_t>(random.integer(0, static_cast<std::int64_t>(bytes.size()) - 1));
      switch (random.integer(0, 3)) {
        case 0:
          bytes[at] = static_cast<char>(random.integer(0, 255));
          break;
        case 1:
          bytes.resize(at);
          break;
        case 2:
          bytes.insert(at, bytes.substr(at / 2));
          break;
        default:
          bytes.insert(at, std::string(8, '\xff'));
      }
    }
    if (!is_accepted<TypeParam>(bytes)) ++num_refused;
  }
  if constexpr (!std::is_same_v<TypeParam, Empty>) {
    EXPECT_GT(num_refused, 0);
  }
}

std::string report_with(const std::function<void(v1::ReportRequest&)>& change) {
  RandomMessage random(3);
  RecordReport report = random.draw<RecordReport>();
  report.records = {random.record()};
  report.records[0].record.gain_L = {1.0, 2.0};
  report.records[0].record.executed_L = {1, 2};
  v1::ReportRequest request;
  request.ParseFromString(encode(report));
  change(request);
  return request.SerializeAsString();
}

void expect_refused(const std::string& bytes, const std::string& words,
                    Reason reason = Reason::malformed) {
  EXPECT_THAT([&] { static_cast<void>(decode<RecordReport>(bytes)); },
              IsRefused(reason, HasSubstr(words)));
}

/// Notes the fields that a message has, with those of its parts.
void note_fields(const google::protobuf::Message& message, std::set<std::string>& seen) {
  std::vector<const google::protobuf::FieldDescriptor*> fields;
  const auto& reflection = *message.GetReflection();
  reflection.ListFields(message, &fields);
  for (const auto* field : fields) {
    seen.insert(field->full_name());
    if (field->cpp_type() != google::protobuf::FieldDescriptor::CPPTYPE_MESSAGE) continue;
    if (!field->is_repeated()) {
      note_fields(reflection.GetMessage(message, field), seen);
      continue;
    }
    for (int i = 0; i < reflection.FieldSize(message, field); ++i)
      note_fields(reflection.GetRepeatedMessage(message, field, i), seen);
  }
}

template <class Generated, class Message>
void note_fields_of(std::set<std::string>& seen) {
  RandomMessage random(11);
  for (int i = 0; i < 100; ++i) {
    Generated message;
    ASSERT_TRUE(message.ParseFromString(encode(random.draw<Message>())));
    note_fields(message, seen);
  }
}

TEST(WireOfAll, LeavesNoFieldOut) {
  std::set<std::string> seen;
  note_fields_of<v1::RegisterRequest, Registration>(seen);
  note_fields_of<v1::RegisterReply, Admission>(seen);
  note_fields_of<v1::HeartbeatRequest, Heartbeat>(seen);
  note_fields_of<v1::HeartbeatReply, HeartbeatReply>(seen);
  note_fields_of<v1::ReportRequest, RecordReport>(seen);
  note_fields_of<v1::ReportReply, RecordReply>(seen);
  note_fields_of<v1::FarewellRequest, Farewell>(seen);
  note_fields_of<v1::StatusRequest, StatusRequest>(seen);
  note_fields_of<v1::StatusReply, Status>(seen);
  note_fields_of<v1::ChangeRequest, ChangeOrder>(seen);
  note_fields_of<v1::ChangeReply, ChangeReply>(seen);
  note_fields_of<v1::MakeRequestRequest, RequestOrder>(seen);
  note_fields_of<v1::MakeRequestReply, NumberedRequest>(seen);

  const auto& file = *v1::RegisterRequest::descriptor()->file();
  for (int i = 0; i < file.message_type_count(); ++i) {
    const auto& type = *file.message_type(i);
    for (int j = 0; j < type.field_count(); ++j)
      EXPECT_TRUE(seen.contains(type.field(j)->full_name())) << type.field(j)->full_name();
  }
}

TEST(WireOfRecords, RefusesWhatIsNotFinite) {
  for (const double value :
       {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity(),
        -std::numeric_limits<double>::infinity()}) {
    expect_refused(report_with([&](auto& request) {
                     request.mutable_records(0)->mutable_record()->set_gain(1, value);
                   }),
                   "record.gain");
    expect_refused(report_with([&](auto& request) {
                     request.mutable_records(0)->mutable_before()->set_debt(value);
                   }),
                   "before.debt");
    expect_refused(report_with([&](auto& request) {
                     auto& word = *request.mutable_records(0)->mutable_record();
                     word.mutable_in_force()->set_lambda(value);
                   }),
                   "word.lambda");
  }
}

TEST(WireOfRecords, NamesTheFieldAndItsRange) {
  expect_refused(report_with([](auto& request) { request.mutable_process()->set_rank(-1); }),
                 "process.rank is -1, must be in [0, 1048575]");
  expect_refused(report_with([](auto& request) { request.mutable_process()->set_incarnation(0); }),
                 "process.incarnation");
  expect_refused(report_with([](auto& request) { request.clear_process(); }), "process is missing");
  expect_refused(report_with([](auto& request) { request.set_held_revision(-1); }),
                 "held_revision is -1, must be at least 0");
  expect_refused(report_with([](auto& request) {
                   request.mutable_records(0)->mutable_record()->set_executed(0, -5);
                 }),
                 "record.executed is -5");
  expect_refused(report_with([](auto& request) {
                   auto& record = *request.mutable_records(0)->mutable_record();
                   record.mutable_in_force()->set_mode(static_cast<v1::Mode>(3));
                 }),
                 "word.mode is 3, must be in [0, 2]");
  expect_refused(report_with([](auto& request) {
                   auto& record = *request.mutable_records(0)->mutable_record();
                   record.mutable_in_force()->set_requests(8);
                 }),
                 "word.requests");
  expect_refused(report_with([](auto& request) { request.set_run_id(std::string(257, 'x')); }),
                 "run_id is 257 bytes");
  expect_refused(report_with([](auto& request) { request.set_run_id("a\nb"); }), "run_id");
}

TEST(WireOfRecords, RefusesLongLists) {
  expect_refused(report_with([](auto& request) {
                   while (request.records_size() <= kMaxRecordsPerReport) request.add_records();
                 }),
                 "records is 1025 entries, must be at most 1024");
  expect_refused(report_with([](auto& request) {
                   auto& record = *request.mutable_records(0)->mutable_record();
                   while (record.gain_size() <= kMaxLayers) record.add_gain(0.0);
                 }),
                 "record.gain is 4097 entries");
}

TEST(WireOfRecords, RefusesAnotherProtocolInWords) {
  expect_refused(report_with([](auto& request) { request.set_protocol(2); }),
                 "the caller speaks protocol 2, the coordinator 1", Reason::version);
}

TEST(WireOfChanges, RefusesRevisionsThatGoBack) {
  RandomMessage random(5);
  auto reply = random.draw<RecordReply>();
  reply.changes = {{.effective_from = Step{1}, .set_points = random.set_points()},
                   {.effective_from = Step{2}, .set_points = random.set_points()}};
  reply.changes[0].set_points.revision = 2;
  reply.changes[1].set_points.revision = 1;

  EXPECT_THAT([&] { static_cast<void>(decode<RecordReply>(encode(reply))); },
              IsRefused(Reason::malformed, HasSubstr("ascending in revision")));
}

TEST(WireOfTexts, CutsWhatIsLongAndMendsWhatIsNoText) {
  RandomMessage random(5);
  Farewell farewell = random.draw<Farewell>();
  farewell.reason = std::string(4094, 'x') + "中";
  EXPECT_EQ(decode<Farewell>(encode(farewell)).reason, std::string(4094, 'x'));

  farewell.reason = "bad \xff\xc0\x80 text \xed\xa0\x80";
  EXPECT_EQ(decode<Farewell>(encode(farewell)).reason, "bad ??? text ???");
}

TEST(WireOfTexts, TakesTheTeethOutOfControls) {
  RandomMessage random(5);
  Farewell farewell = random.draw<Farewell>();
  farewell.reason = "line\n\x1b[2Jforged";

  EXPECT_EQ(decode<Farewell>(encode(farewell)).reason, "line  [2Jforged");
}

TEST(WireOfTexts, RefusesWhatIsNoTextWithoutAWord) {
  v1::HeartbeatReply reply;
  reply.set_verdict("xx");
  std::string bytes = reply.SerializeAsString();
  bytes.back() = '\xff';
  testing::internal::CaptureStderr();

  EXPECT_THAT([&] { static_cast<void>(decode<HeartbeatReply>(bytes)); },
              IsRefused(Reason::malformed));
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

TEST(WireOfRegistrations, TakesAnAddressOfMetricsOrNone) {
  RandomMessage random(5);
  Registration registration = random.draw<Registration>();
  for (const char* const good : {"", "127.0.0.1:1", "[::1]:65535", "node-7.cluster.local:9100"}) {
    registration.metrics_address = good;
    EXPECT_EQ(decode<Registration>(encode(registration)).metrics_address, good);
  }
  registration.metrics_address = std::string(254, 'a') + ":1";
  EXPECT_EQ(decode<Registration>(encode(registration)).metrics_address,
            registration.metrics_address);
}

TEST(WireOfRegistrations, RefusesAnAddressOfMetricsThatIsNoHostAndPort) {
  RandomMessage random(5);
  Registration registration = random.draw<Registration>();
  Status status = random.draw<Status>();
  status.members = {{.rank = Rank{0}}};
  for (const char* const wrong :
       {"host", ":9100", "host:", "host:0", "host:65536", "host:-1", "host:1e3", "host: 1",
        "http://host:9100", "host:9100/metrics", "user@host:9100", "a b:9100", "hôst:9100",
        "host:9100\n", "host\x1b:1", "host?x:1", "host,other:1", "\"host\":1", "{rank}:1"}) {
    registration.metrics_address = wrong;
    EXPECT_THAT([&] { static_cast<void>(decode<Registration>(encode(registration))); },
                IsRefused(Reason::malformed, HasSubstr("metrics_address")))
        << wrong;
    status.members[0].metrics_address = wrong;
    EXPECT_THAT([&] { static_cast<void>(decode<Status>(encode(status))); },
                IsRefused(Reason::malformed, HasSubstr("members.metrics_address")))
        << wrong;
  }
  registration.metrics_address = std::string(255, 'a') + ":1";
  EXPECT_THAT([&] { static_cast<void>(decode<Registration>(encode(registration))); },
              IsRefused(Reason::malformed, HasSubstr("is 257 bytes, must be at most 256")));
}

// The largest blow-up there is: parts that are there and empty.
TEST(WireOfRecords, NeedsLittleMemoryForBytesThatPretendToBeMany) {
  v1::ReportReply reply;
  for (int i = 0; i < 100'000; ++i) reply.add_changes()->mutable_set_points()->mutable_gains();
  const std::string bytes = reply.SerializeAsString();

  EXPECT_LT(reply.SpaceUsedLong(), 128 * bytes.size());
  EXPECT_THAT([&] { static_cast<void>(decode<RecordReply>(bytes)); },
              IsRefused(Reason::malformed, HasSubstr("changes is 100000 entries")));
}

}  // namespace
}  // namespace softmoe::coordinator
