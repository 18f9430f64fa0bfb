#include "tests/gpu_emulation/nccl_transfer.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstring>
#include <deque>
#include <map>
#include <utility>

#include "tests/gpu_emulation/device_memory.h"
#include "tests/gpu_emulation/faults.h"

namespace softmoe::gpu_emulation {
namespace {

using Kind = TransferPart::Kind;

// A report of a group names so many of its parts.
constexpr std::size_t kMaxPartsTold = 4;

/// Transfers of a device that are not done, in the order of their calls, over all communicators.
std::deque<const Transfer*>& called_on(int device) {
  static auto* instance = new std::map<int, std::deque<const Transfer*>>();
  return (*instance)[device];
}

bool is_message(const TransferPart& part) {
  return part.kind == Kind::send || part.kind == Kind::receive;
}

std::tuple<Lane, int, int> lane_of(const TransferPart& part, int rank) {
  if (part.kind == Kind::send) return {Lane::send, rank, part.peer};
  if (part.kind == Kind::receive) return {Lane::receive, part.peer, rank};
  return {Lane::collective, rank, 0};
}

PartKey key_of(const TransferPart& part, int rank) {
  return std::tuple_cat(lane_of(part, rank), std::tuple(part.number));
}

const NcclEnd& end_of(const TransferPart& part) {
  return part.transfer->end();
}

/// Whether the bytes are memory of the device of the part's rank; a fault if not.
bool is_own_memory(const TransferPart& part, const std::byte* memory, std::size_t bytes) {
  const NcclEnd& end = end_of(part);
  if (memory_of(end.device).covers(memory, bytes)) return true;
  report(FaultKind::copy,
         fmt::format("{}: {} is handed {} bytes at {}, which are not memory of its "
                     "device {}",
                     name_of(end), describe(part), bytes, describe_address(memory), end.device));
  return false;
}

/// Moves bytes from the rank of `from` to the rank of `to`, as their streams.
void move_bytes(const TransferPart& from, const TransferPart& to, std::byte* target) {
  if (!is_own_memory(from, from.source, from.bytes) || !is_own_memory(to, target, from.bytes))
    return;
  if (target == from.source) return;
  const OpenMemory open_source(end_of(from).device);
  const OpenMemory open_target(end_of(to).device);
  const auto sent = std::make_unique<sanitizer::OrderPoint>(0);
  const auto taken = std::make_unique<sanitizer::OrderPoint>(0);
  {
    const AsStream sender(from.transfer->stream());
    sanitizer::release(*sent);
  }
  {
    const AsStream receiver(to.transfer->stream());
    sanitizer::acquire(*sent);
    sanitizer::note_read(from.source, from.bytes);
    sanitizer::note_write(target, from.bytes);
    std::memmove(target, from.source, from.bytes);
    sanitizer::release(*taken);
  }
  const AsStream sender(from.transfer->stream());
  sanitizer::acquire(*taken);
}

bool fit(const TransferPart& one, const TransferPart& other) {
  if (one.bytes != other.bytes) return false;
  if (is_message(one)) return true;
  return one.kind == other.kind && (one.kind != Kind::broadcast || one.peer == other.peer);
}

/// Ends the communicator over two parts that do not fit together.
void report_misfit(const TransferPart& one, const TransferPart& other) {
  const std::string text =
      fmt::format("{} is in {} where rank {} is in {}: both must make the same call",
                  name_of(end_of(one)), describe(one), end_of(other).rank, describe(other));
  report(FaultKind::communication, text);
  end_of(one).clique->fail(ncclInternalError, text);
}

void move_collective(const std::vector<TransferPart*>& parts) {
  for (const TransferPart* from : parts) {
    const int rank = end_of(*from).rank;
    if (from->kind == Kind::broadcast && from->peer != rank) continue;
    for (const TransferPart* to : parts) {
      const std::size_t offset =
          from->kind == Kind::all_gather ? static_cast<std::size_t>(rank) * from->bytes : 0;
      move_bytes(*from, *to, to->target + offset);
    }
  }
}

}  // namespace

Transfer::Transfer(std::shared_ptr<NcclEnd> end, Stream& stream, std::vector<TransferPart> parts)
    : end_(std::move(end)), stream_(&stream), parts_(std::move(parts)) {
  Clique& clique = *end_->clique;
  for (TransferPart& part : parts_) {
    part.transfer = this;
    part.number = clique.num_parts[lane_of(part, end_->rank)]++;
    clique.under_way[key_of(part, end_->rank)] = &part;
  }
  end_->transfers.push_back(this);
  called_on(end_->device).push_back(this);
}

Transfer::~Transfer() {
  for (const TransferPart& part : parts_) withdraw(part);
  std::erase(end_->transfers, this);
  std::erase(called_on(end_->device), this);
}

bool Transfer::ready() {
  if (!std::exchange(has_arrived_, true)) check_order();
  if (end_->aborted) return true;
  for (const TransferPart& part : parts_) {
    if (!is_ready(part) || is_misfit(part)) return false;
  }
  return true;
}

void Transfer::run() {
  if (end_->aborted) return;
  for (TransferPart& part : parts_) {
    if (!part.done) finish(part);
  }
}

std::string Transfer::describe() const {
  std::vector<std::string> waits;
  for (const TransferPart& part : parts_) {
    if (is_ready(part)) continue;
    if (waits.size() == kMaxPartsTold) {
      waits.emplace_back("more");
      break;
    }
    waits.push_back(waits_for(part));
  }
  if (waits.empty()) return fmt::format("{} in {}", name_of(*end_), contents());
  return fmt::format("{} in {}", name_of(*end_), fmt::join(waits, ", "));
}

std::string Transfer::contents() const {
  std::vector<std::string> texts;
  for (const TransferPart& part : parts_) {
    if (part.done) continue;
    if (texts.size() == kMaxPartsTold) {
      texts.emplace_back("more");
      break;
    }
    texts.push_back(gpu_emulation::describe(part));
  }
  return fmt::format("{}", fmt::join(texts, ", "));
}

std::vector<TransferPart*> Transfer::partners_of(const TransferPart& part) const {
  const Clique& clique = *end_->clique;
  if (part.kind == Kind::send)
    return {clique.find({Lane::receive, end_->rank, part.peer, part.number})};
  if (part.kind == Kind::receive)
    return {clique.find({Lane::send, part.peer, end_->rank, part.number})};
  std::vector<TransferPart*> all;
  for (int rank = 0; rank < clique.size(); ++rank)
    all.push_back(clique.find({Lane::collective, rank, 0, part.number}));
  return all;
}

bool Transfer::is_ready(const TransferPart& part) const {
  if (part.done) return true;
  const std::vector<TransferPart*> partners = partners_of(part);
  return std::all_of(partners.begin(), partners.end(), [](const TransferPart* partner) {
    return partner != nullptr && partner->transfer->has_arrived();
  });
}

void Transfer::check_order() const {
  const Transfer& first = *called_on(end_->device).front();
  if (&first == this) return;
  report(
      FaultKind::communication,
      fmt::format("{} in {} may run beside {} in {}, which was called before: nothing orders the "
                  "two, and on a GPU each may hold what the other needs",
                  name_of(*end_), contents(), name_of(first.end()), first.contents()));
}

bool Transfer::is_misfit(const TransferPart& part) const {
  if (part.done) return false;
  const std::vector<TransferPart*> partners = partners_of(part);
  const auto misfit = std::find_if(partners.begin(), partners.end(),
                                   [&](const TransferPart* one) { return !fit(part, *one); });
  if (misfit == partners.end()) return false;
  if (!std::exchange(end_->clique->is_misfit_told, true)) report_misfit(part, **misfit);
  return true;
}

void Transfer::finish(TransferPart& part) {
  const std::vector<TransferPart*> partners = partners_of(part);
  if (part.kind == Kind::send) {
    move_bytes(part, *partners[0], partners[0]->target);
  } else if (part.kind == Kind::receive) {
    move_bytes(*partners[0], part, part.target);
  } else {
    move_collective(partners);
  }
  part.done = true;
  for (TransferPart* partner : partners) partner->done = true;
}

void Transfer::withdraw(const TransferPart& part) {
  end_->clique->under_way.erase(key_of(part, end_->rank));
}

std::string Transfer::waits_for(const TransferPart& part) const {
  std::string text = gpu_emulation::describe(part);
  const std::vector<TransferPart*> partners = partners_of(part);
  for (std::size_t i = 0; i < partners.size(); ++i) {
    const TransferPart* partner = partners[i];
    if (partner != nullptr && partner->transfer->has_arrived()) continue;
    const int rank = is_message(part) ? part.peer : static_cast<int>(i);
    text += fmt::format(" [{} {}, {}]",
                        partner != nullptr ? "waits for the stream of rank" : "no partner at rank",
                        rank, doing_of(*end_->clique, rank));
  }
  return text;
}

}  // namespace softmoe::gpu_emulation
