#pragma once

#include <grpcpp/channel.h>
#include <grpcpp/server.h>

#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "coordinator/server.h"
#include "coordinator/service.h"

namespace softmoe::coordinator {

/// The parts of a running server.
struct Server::Impl {
  Impl(Handlers handlers, const Options& options);
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
  ~Impl();

  std::string in_process_token;  ///< of callers of this process; known to nobody else
  std::string warning;
  std::unique_ptr<Service> service;
  std::unique_ptr<grpc::Server> server;
  std::string address;

 private:
  void look_until_stopped();

  std::mutex mutex_;
  std::condition_variable stopped_;
  bool is_stopped_ = false;
  std::thread ticker_;
};

}  // namespace softmoe::coordinator
