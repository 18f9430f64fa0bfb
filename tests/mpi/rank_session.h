#pragma once

#include "parallel/mpi/mpi_session.h"

namespace softmoe::test {

/// The MPI session of this rank, for the tests of one program. Messages travel in pieces of 100,003
/// bytes, so that the large ones of the contract are cut.
/// Only valid while RankSession is alive in main().
[[nodiscard]] parallel::MpiSession& rank_session();

/// Starts MPI, and ends it behind all tests.
class RankSession {
 public:
  RankSession();
  ~RankSession();
  RankSession(const RankSession&) = delete;
  RankSession& operator=(const RankSession&) = delete;

 private:
  parallel::MpiSession session_;
};

}  // namespace softmoe::test
