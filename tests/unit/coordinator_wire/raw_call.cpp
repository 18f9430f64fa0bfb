#include "tests/unit/coordinator_wire/raw_call.h"

#include <grpcpp/generic/generic_stub.h>

#include "coordinator/byte_buffer.h"
#include "coordinator/methods.h"
#include "coordinator/status_code.h"
#include "tests/support/patience.h"

namespace softmoe::coordinator {

RawReply raw_call(const std::shared_ptr<grpc::Channel>& channel, const std::string& path,
                  const std::string& bytes,
                  const std::multimap<std::string, std::string>& metadata) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + test::patience(std::chrono::seconds(5)));
  for (const auto& [key, value] : metadata) context.AddMetadata(key, value);
  grpc::GenericStub stub(channel);
  grpc::CompletionQueue queue;
  grpc::ByteBuffer reply;
  RawReply result;
  const auto call = stub.PrepareUnaryCall(&context, path, buffer_of(bytes), &queue);
  call->StartCall();
  call->Finish(&reply, &result.status, nullptr);
  void* tag = nullptr;
  bool ok = false;
  queue.Next(&tag, &ok);
  queue.Shutdown();
  if (result.status.ok()) result.bytes = text_of(reply);
  const auto& trailing = context.GetServerTrailingMetadata();
  const auto found = trailing.find(std::string(kReasonKey));
  if (found != trailing.end())
    result.reason = reason_of({found->second.data(), found->second.size()});
  return result;
}

std::shared_ptr<grpc::Channel> plain_channel(const std::string& address) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetMaxSendMessageSize(-1);
  return grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments);
}

std::string path_of(const std::string& method) {
  return "/softmoe.coordinator.v1.Coordinator/" + method;
}

}  // namespace softmoe::coordinator
