#pragma once

#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/support/byte_buffer.h>

#include <atomic>
#include <string>

#include "coordinator/service.h"

namespace softmoe::coordinator {

/// One call, from its first word to its last. It deletes itself when the library is done with it.
class Call final : public grpc::ServerGenericBidiReactor {
 public:
  Call(Service& service, grpc::GenericCallbackServerContext& context);

  void OnReadDone(bool ok) override;
  void OnDone() override;

  [[nodiscard]] Service::Clock::time_point begun() const { return begun_; }
  /// Whoever gets true, once in the life of a call, finishes it. Until then it lives.
  [[nodiscard]] bool claim() { return !is_claimed_.exchange(true); }
  void finish_late();

 private:
  void begin();
  void answer();
  void refuse(const Refused& refused);
  void finish(const grpc::Status& status);
  void count(grpc::StatusCode code);

  Service& service_;
  grpc::GenericCallbackServerContext& context_;
  const MethodRules* rules_;
  Service::Clock::time_point begun_ = Service::Clock::now();
  Caller caller_;
  grpc::ByteBuffer request_;
  grpc::ByteBuffer reply_;
  std::atomic<bool> is_claimed_ = false;
  bool is_open_ = false;  ///< counted by the service
};

}  // namespace softmoe::coordinator
