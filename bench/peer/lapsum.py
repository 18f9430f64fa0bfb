"""LapSum soft top-k in torch: runtime/ops/lapsum.h says what it computes.

Letters: T tokens, E experts.
"""

import torch


def laplace_quantile(p):
    """u with F(u) = p, of a number."""
    t = torch.tensor(float(p), dtype=torch.float64)
    return float(torch.log(2 * t)) if p <= 0.5 else float(-torch.log(2 * (1 - t)))


def model_root(z, t, k):
    """One round of the sort-free solver: the root of the sum of exponentials that agrees with the
    sum of F on the side of `t` where each score stands. Also that side's edges: inside them the
    root is exact. Scores are in units of alpha, `k` is the mass; all of shape [T, E] or [T, 1]."""
    upper = z >= t
    infinity = float("inf")
    low = torch.where(upper, -infinity, z).amax(-1, keepdim=True)
    high = torch.where(upper, z, infinity).amin(-1, keepdim=True)
    # Every side that has a score has a term exp(0) = 1, so the difference below loses no digits.
    e = torch.exp(torch.where(upper, high - z, z - low))
    above = upper.to(z.dtype)
    sum_upper = (e * above).sum(-1, keepdim=True)
    sum_lower = e.sum(-1, keepdim=True) - sum_upper
    m = above.sum(-1, keepdim=True)
    n = z.shape[-1]
    d = k - m
    log_u, log_v = torch.log(sum_upper), torch.log(sum_lower)
    log_c = 0.5 * (log_u + log_v - (high - low))
    log_d = torch.log(d.abs())
    ratio = log_d - log_c
    # asinh of a large number is its logarithm and log 2.
    reach = torch.where(
        d == 0,
        log_c,
        torch.where(ratio > 20, log_d + 0.6931471805599453,
                    log_c + torch.asinh(torch.exp(ratio.clamp(max=20)))),
    )
    inside = torch.where(d > 0, low + log_v - reach, high - log_u + reach)
    all_lower = low + log_v - torch.log(2 * k)
    all_upper = high - log_u + torch.log(2 * (n - k))
    root = torch.where(m == 0, all_lower, torch.where(m == n, all_upper, inside))
    return root, low, high


def solve(scores, k, alpha, root_of=None):
    """u = (scores - b) / alpha with sum F(u) = k in every row.

    `k` is a tensor of one element in (0, E). Rounds move towards the root and never pass it, so they
    end; a rounding error may reverse the last, which then stands at a breakpoint. `root_of` is
    model_root or its compiled form.
    """
    n = scores.shape[-1]
    k = k.clamp(1e-6, n - 1e-6).to(scores.dtype).reshape(1, 1)
    # An anchor next to b, subtracted before the division, keeps the digits of large scores.
    rank = min(n, max(1, int(torch.ceil(k))))
    anchor = scores.topk(rank, -1).values[:, -1:]
    z = (scores - anchor) / alpha
    t = torch.zeros_like(z[:, :1])
    root_of = root_of or model_root
    for _ in range(n + 1):
        root, low, high = root_of(z, t, k)
        if bool(((root >= low) & (root <= high)).all()):
            return z - root
        t = root
    return z - torch.minimum(torch.maximum(root, low), high)


def density(u):
    """f = min(p, 1 - p)."""
    return 0.5 * torch.exp(-u.abs())


def probability(u, f):
    return torch.where(u <= 0, f, 1 - f)


def scores_gradient(d_p, u, f, alpha):
    """The gradients by scores and, a row each, by k: O(E), nothing is solved again."""
    q = torch.softmax(-u.abs(), -1)  # f over its sum, also where every f is 0
    mean = (q * d_p).sum(-1, keepdim=True)
    return f * (d_p - mean) / alpha, mean


class LapSum(torch.autograd.Function):
    """p [T, E] and u [T, E] of scores [T, E], a mass (a tensor of one element) and a temperature.

    u has no gradient: it chooses experts.
    """

    @staticmethod
    def forward(ctx, scores, k, alpha):
        u = solve(scores, k, alpha)
        f = density(u)
        ctx.alpha, ctx.k_shape = alpha, k.shape
        ctx.save_for_backward(u, f)
        ctx.mark_non_differentiable(u)
        return probability(u, f), u

    @staticmethod
    def backward(ctx, d_p, _):
        u, f = ctx.saved_tensors
        d_scores, d_k = scores_gradient(d_p, u, f, ctx.alpha)
        return d_scores, d_k.sum().reshape(ctx.k_shape), None


def truncate(u, cut, cap):
    """Which experts run: u above `cut`, at least the best one, at most `cap`; ties by index."""
    mask = u > cut
    mask.scatter_(-1, u.argmax(-1, keepdim=True), True)
    if cap < u.shape[-1] and int(mask.sum(-1).max()) > cap:
        best = torch.sort(u, stable=True, dim=-1, descending=True).indices[:, :cap]
        mask &= torch.zeros_like(mask).scatter_(-1, best, True)
    return mask
