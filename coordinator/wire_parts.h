#pragma once

// The parts that messages share, from and to the generated classes.

#include <vector>

#include "coordinator/coordinator.pb.h"
#include "coordinator/messages.h"

namespace softmoe::coordinator::wire {

using RepeatedChanges = google::protobuf::RepeatedPtrField<v1::SetPointChange>;
using RepeatedRequests = google::protobuf::RepeatedPtrField<v1::NumberedRequest>;

void put(const RunIdentity& run, v1::RunIdentity& out);
[[nodiscard]] RunIdentity take(const v1::RunIdentity& in);

void put(const RankProcess& process, v1::RankProcess& out);
[[nodiscard]] RankProcess take(const v1::RankProcess& in);

void put(const Progress::Place& place, v1::Place& out);
[[nodiscard]] Progress::Place take(const v1::Place& in);

void put(const budget::Temperature& temperature, v1::Temperature& out);
[[nodiscard]] budget::Temperature take(const v1::Temperature& in);

void put(const budget::SetPoints& set_points, v1::SetPoints& out);
[[nodiscard]] budget::SetPoints take(const v1::SetPoints& in);

void put(const budget::SetPointChange& change, v1::SetPointChange& out);
[[nodiscard]] budget::SetPointChange take(const v1::SetPointChange& in);

void put(const std::vector<budget::SetPointChange>& changes, RepeatedChanges& out);
[[nodiscard]] std::vector<budget::SetPointChange> take(const RepeatedChanges& in);

void put(const NumberedRequest& request, v1::NumberedRequest& out);
[[nodiscard]] NumberedRequest take(const v1::NumberedRequest& in);

void put(const std::vector<NumberedRequest>& requests, RepeatedRequests& out);
[[nodiscard]] std::vector<NumberedRequest> take(const RepeatedRequests& in);

void put(const budget::ControlWord& word, v1::ControlWord& out);
[[nodiscard]] budget::ControlWord take(const v1::ControlWord& in);

void put(const AuditedRecord& record, v1::AuditedRecord& out);
[[nodiscard]] AuditedRecord take(const v1::AuditedRecord& in);

[[nodiscard]] budget::Request request_of(int value);

}  // namespace softmoe::coordinator::wire
