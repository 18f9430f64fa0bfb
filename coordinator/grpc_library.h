#pragma once

namespace softmoe::coordinator {

/// Keeps gRPC from printing: what matters arrives as the status of a call, and a stranger who
/// knocks must not be able to fill the log. Whoever wants to see it sets GRPC_VERBOSITY. To be
/// called before the first server or channel; more often does no harm.
void quiet_grpc();

}  // namespace softmoe::coordinator
