#pragma once

#include <grpcpp/grpcpp.h>

#include <map>
#include <optional>
#include <string>

#include "coordinator/refusal.h"

namespace softmoe::coordinator {

/// What came of a call made by hand.
struct RawReply {
  grpc::Status status;
  std::string bytes;
  std::optional<Reason> reason;  ///< of the trailing metadata
};

/// A call with any bytes and metadata, over any channel.
[[nodiscard]] RawReply raw_call(const std::shared_ptr<grpc::Channel>& channel,
                                const std::string& path, const std::string& bytes,
                                const std::multimap<std::string, std::string>& metadata = {});

[[nodiscard]] std::shared_ptr<grpc::Channel> plain_channel(const std::string& address);

/// The path of a method of the service.
[[nodiscard]] std::string path_of(const std::string& method);

}  // namespace softmoe::coordinator
