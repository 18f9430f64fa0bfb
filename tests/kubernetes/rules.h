#pragma once

// What has to hold for rendered objects, as functions that name each offence, so that each can be
// shown an offender.

#include <string>
#include <vector>

#include "tests/kubernetes/rendered.h"

namespace softmoe::test {

/// "MPIJob/train/Worker: what is wrong".
using Offences = std::vector<std::string>;

/// Every field is one that its kind has, of its type, and none that is needed is missing. The
/// tables are in fields/*.json: name -> type, `!` behind what is needed; [T] a list, {T} a map, a|b
/// one of these words, =v this word.
[[nodiscard]] Offences against_fields(const Objects& objects);

/// The level `restricted` of pod security, item by item, and a root that is not written to.
[[nodiscard]] Offences against_restricted(const Objects& objects);

/// No host's folders, network or processes; no ports of the host.
[[nodiscard]] Offences against_isolation(const Objects& objects);

/// Every image has a tag of its own or a digest.
[[nodiscard]] Offences against_images(const Objects& objects);

/// No pod has a token for the cluster's API.
[[nodiscard]] Offences against_tokens(const Objects& objects);

/// World = workers x slots in every place that says it: both commands, mpirun's mapping, the budget
/// of disruptions; one port of metrics for each rank, and Prometheus may reach it.
[[nodiscard]] Offences against_world(const Objects& objects);

/// ConfigMaps, ServiceAccounts and claims that pods name are there. @param others  names of claims
/// that are made once for a namespace
[[nodiscard]] Offences against_references(const Objects& objects,
                                          const std::vector<std::string>& others);

/// Every selector of this run finds a pod of it, by the labels that pods really get.
[[nodiscard]] Offences against_selectors(const Objects& objects);

/// A mount names a volume; what is written to is an emptyDir or a claim; what is in memory is
/// bounded and fits the memory limit.
[[nodiscard]] Offences against_volumes(const Objects& objects);

/// Both generations of Open MPI are told about hostfile, names and ssh.
[[nodiscard]] Offences against_mpi(const Objects& objects);

/// Time to save, readiness by sshd, liveness never by progress, the coordinator's three probes.
[[nodiscard]] Offences against_endings(const Objects& objects);

/// All of the above; the fields alone if they are not in order.
[[nodiscard]] Offences against_all(const Objects& objects);

}  // namespace softmoe::test
