#pragma once

// A certificate authority for one run. X.509 with P-256 keys.

#include <string>
#include <vector>

#include "runtime/storage/file_system.h"

namespace softmoe::coordinator {

struct CertificateOrder {
  std::string run_id;
  int world = 0;                   ///< W: certificates rank-0 to rank-(W-1)
  std::vector<std::string> hosts;  ///< names and numbers that the coordinator is reached by
  int days = 30;
};

/// Writes to `folder`: ca.pem, ca.key; coordinator.{pem,key} for the hosts; rank-N.{pem,key},
/// observer.{pem,key}, admin.{pem,key}. Keys have mode 0600 before anything is in them. The names
/// are what access.h reads: `rank-N.RUN` and so on, as subject alternative names.
///
/// All or nothing: they are made in memory first.
/// @throws ConfigError if the folder holds a ca.pem already (its certificates would be orphaned),
/// or
///         the order makes no sense; StorageError
void make_certificates(const storage::Path& folder, const CertificateOrder& order);

}  // namespace softmoe::coordinator
