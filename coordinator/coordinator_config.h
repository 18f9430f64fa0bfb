#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace softmoe::config {
class Reader;
class Check;
}  // namespace softmoe::config

namespace softmoe::coordinator {

enum class Placement : std::uint32_t {
  embedded,    ///< in rank 0; other ranks and people reach it over `listen`
  standalone,  ///< a process of its own, `softmoe coordinator`
  off,         ///< nobody watches; set-points stay as configured
};

/// What to do when the audit finds something.
enum class OnAlarm : std::uint32_t { alarm, drain };

/// Certificates; all three, or none.
struct TlsConfig {
  std::string ca_file;           ///< PEM of the run's certificate authority
  std::string certificate_file;  ///< PEM of this process's certificate
  std::string key_file;          ///< PEM of its private key, readable by its owner alone

  [[nodiscard]] bool is_given() const { return !ca_file.empty(); }

  void bind(config::Reader& reader);
  void validate(config::Check& check) const;
};

/// The section `coordinator`.
struct CoordinatorConfig {
  Placement placement = Placement::embedded;
  std::string folder;  ///< of the standalone one: journal, tokens, address; others read it there
  std::string listen = "127.0.0.1:0";  ///< host:port; 0: any free port, published in the folder
  std::string address;     ///< where ranks reach the standalone one; empty: as published
  std::string token_file;  ///< empty: tokens in the folder
  bool insecure = false;   ///< no secret where the address is not loopback
  TlsConfig tls;
  /// host:port where a standalone one serves its metrics; empty: nowhere
  std::string metrics_listen = "127.0.0.1:0";
  std::string targets_folder;  ///< where a standalone one keeps a file for file_sd; empty: none
  double heartbeat_seconds = 1.0;
  double silence_seconds = 5.0;  ///< without a heartbeat for so long, a rank is silent
  double stall_seconds = 30.0;   ///< without a step forward for so long, and ten steps, it is stuck
  OnAlarm on_alarm = OnAlarm::alarm;
  int window_steps = 100;                ///< over which a budget must be held
  double max_window_error_ratio = 0.02;  ///< mean of |C - B| / B that is still held
  int digest_every = 100;                ///< records between two digests in the journal
  double max_calls_per_second = 50.0;    ///< of one rank, or of one person
  std::int64_t max_message_bytes = 1 << 20;
  std::int64_t memory_bytes = std::int64_t{256} << 20;  ///< for calls in flight and connections

  void bind(config::Reader& reader);
  void validate(config::Check& check) const;
};

}  // namespace softmoe::coordinator
