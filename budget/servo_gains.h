#pragma once

// How hard the servo pushes, derived for the delay of the loop it closes.
//
// The loop. C_s is the cost executed per token in step s, e_s = C_s - B, D_s = e_0 + ... + e_s the
// debt. Raising lambda by one removes G = sum over layers of c_l g_l executions per token (the
// boundary density, step_record.h); the controller believes Ghat, and g = G / Ghat is 1 when it is
// right, 2.5 when it believes x0.4 and 0.4 when it believes x2.5. The servo decides
//
//     lambda <- lambda + newton (e_s + debt D_s) / Ghat.
//
// With x = g newton and D = e z / (z - 1), the characteristic polynomial of the closed loop is
//
//     delay 1 (the record of s decides s + 1):   z^2 - (2 - x (1 + debt)) z + (1 - x)
//     delay 2 (the record of s decides s + 2):   z^3 - 2 z^2 + (1 + x (1 + debt)) z - x
//
// and Jury's test says: stable iff
//
//     delay 1:   0 < g < 4 / (newton (2 + debt))        delay 2:   0 < g < (1 - debt) / newton.
//
// The gain is an estimate from one step while the router changes, so the loop is asked to hold
// from a third to nearly four times of it, and to be no worse than its noise at x2.5. Spectral
// radius, and the amplification of white noise in C by the loop (H2 norm of the sensitivity):
//
//     delay  newton  debt   stable for     g = 0.4         g = 1           g = 2.5
//       1     0.50   0.10   g < 3.81     0.894, 1.08     0.885, 1.19     0.902, 1.75
//       2     0.25   0.05   g < 3.80     0.945, 1.04     0.939, 1.11     0.949, 1.51
//
// Both keep a phase margin of at least 57 degrees for g <= 1. A sharper 0.7 / 0.1 at delay 1 gains
// nothing in radius (0.895 at g = 1: the debt's pole is the slow one) and is nearly lost at 2.5
// (limit 2.72, noise times 3.6). The gains of delay 1 are not stable at delay 2 beyond g = 1.8.

namespace softmoe::budget {

/// The delay of this trainer: the record of a step is complete at its end, and the word decided
/// from it is in force in the step right after.
inline constexpr int kTrainerDelay = 1;

/// The two gains of the servo and what keeps it safe where the linear loop above does not hold.
struct ServoGains {
  int delay = kTrainerDelay;  ///< steps from the record to the step that its word governs
  double newton = 0.5;        ///< share of the Newton step taken
  double debt = 0.1;          ///< share of the debt to be repaid per step
  /// Bound of one move of lambda; a fifth of the range in which p goes from 1/2 to 1/20.
  double max_step = 0.5;
  /// Repayment per step is at most this share of B, so that a long debt from a router that could
  /// not be held is no cliff for the compute when it can be again.
  double max_repayment_ratio = 0.1;
  /// The estimate rises at once (an estimate too low is what makes loops unstable) and falls by
  /// this share of the difference per step.
  double gain_smoothing = 0.3;
  /// Floor of the estimate, as a share of B: a flat or fully hardened router has no score near its
  /// surface, and the Newton step means nothing there.
  double min_gain_ratio = 0.05;
};

/// The gains derived above.
/// @param delay 1 or 2.
/// @throws InvalidArgument for any other delay: its loop has not been derived.
[[nodiscard]] ServoGains gains_for(int delay);

/// The largest ratio of true to estimated gain at which the linear loop is stable.
/// @throws InvalidArgument unless gains.delay is 1 or 2.
[[nodiscard]] double max_stable_gain_ratio(const ServoGains& gains);

}  // namespace softmoe::budget
