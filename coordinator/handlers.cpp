#include "coordinator/handlers.h"

#include "coordinator/coordinator.h"
#include "coordinator/server.h"

namespace softmoe::coordinator {

Handlers handlers_of(Coordinator& coordinator) {
  Coordinator* const to = &coordinator;
  return {
      .register_rank = [to](const auto& in) { return to->register_rank(in, Clock::now()); },
      .heartbeat = [to](const auto& in) { return to->heartbeat(in, Clock::now()); },
      .report = [to](const auto& in) { return to->report(in, Clock::now()); },
      .farewell = [to](const auto& in) { to->farewell(in, Clock::now()); },
      .status = [to] { return to->status(Clock::now()); },
      .change = [to](const auto& in) { return to->change(in, Clock::now()); },
      .request = [to](budget::Request in) { return to->request(in, Clock::now()); },
      .look = [to] { to->look(Clock::now()); },
      .note_refusal = [to](Reason reason,
                           const auto& text) { to->note_refusal(reason, text, Clock::now()); },
  };
}

// Here, so that a program that serves something else needs no coordinator.
Server::Server(Coordinator& coordinator, const Options& options)
    : Server(handlers_of(coordinator), options) {}

}  // namespace softmoe::coordinator
