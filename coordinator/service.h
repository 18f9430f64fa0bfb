#pragma once

#include <grpcpp/generic/async_generic_service.h>

#include <chrono>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_set>

#include "coordinator/call_counts.h"
#include "coordinator/gate.h"
#include "coordinator/handlers.h"

namespace softmoe::coordinator {

class Call;

/// The calls of a server. It is generic, so that a call can be refused before its message is read,
/// and the message before it is decoded. Any thread.
class Service final : public grpc::CallbackGenericService {
 public:
  using Clock = std::chrono::steady_clock;
  using Log = std::function<void(const std::string& line)>;

  struct Parts {
    Handlers handlers;
    Gate::Rules gate;
    std::int64_t max_message_bytes = 0;
    Log log;
  };

  /// Calls that are open at a time; more are refused.
  static constexpr std::size_t kMaxOpenCalls = 4096;
  /// In which a caller must have sent its message.
  static constexpr std::chrono::seconds kPatience{10};

  explicit Service(Parts parts);

  grpc::ServerGenericBidiReactor* CreateReactor(
      grpc::GenericCallbackServerContext* context) override;

  /// The calls that have been answered, refused ones among them.
  [[nodiscard]] CallCounts& counts() { return counts_; }

  /// Finishes calls whose message does not come, and lets the coordinator look for hangs.
  void look(Clock::time_point now);

 private:
  friend class Call;

  [[nodiscard]] Caller admit(const MethodRules& rules,
                             const grpc::GenericCallbackServerContext& context);
  /// The reply to a message.
  [[nodiscard]] std::string answer(const MethodRules& rules, const Caller& caller,
                                   std::string_view bytes);
  void check_size(const MethodRules& rules, std::size_t bytes) const;
  void note(const Refused& refused, const std::string& peer);
  void log(const std::string& line);
  /// @throws Refused too_often, if there are too many
  void open(Call& call);
  void close(Call& call);

  Parts parts_;
  Gate gate_;
  CallCounts counts_;
  std::mutex mutex_;
  std::unordered_set<Call*> open_calls_;
};

}  // namespace softmoe::coordinator
