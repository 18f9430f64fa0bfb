#include "tests/mpi/rank_session.h"

#include "tests/support/patience.h"

namespace softmoe::test {

namespace {

// A test made by a macro has no other way to an object of main().
parallel::MpiSession* session_of_main = nullptr;

}  // namespace

parallel::MpiSession& rank_session() {
  return *session_of_main;
}

RankSession::RankSession()
    : session_({.comm = {.timeout = patience(std::chrono::seconds(30))},
                .max_message = Bytes(100'003)}) {
  session_of_main = &session_;
}

RankSession::~RankSession() {
  session_of_main = nullptr;
}

}  // namespace softmoe::test
