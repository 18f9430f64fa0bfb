"""The passes of a step that are no matrix products, each a pure function with its backward written
out. torch.compile fuses them where it is there; eager torch runs them as they are.

Letters: T tokens, H hidden, M rows, F inner width, V vocabulary.
"""

import torch
import torch.nn.functional as F

import lapsum


def rms_norm(x, gain, epsilon):
    scale = torch.rsqrt(x.square().mean(-1, keepdim=True) + epsilon)
    return x * scale * gain, scale


def rms_norm_backward(d_y, x, gain, scale, d_residual):
    """The gradient by x, on top of the residual's, and by the gain."""
    normed = x * scale
    weighted = d_y * gain
    mean = (weighted * normed).mean(-1, keepdim=True)
    return d_residual + scale * (weighted - normed * mean), (d_y * normed).sum(0)


def swiglu(h, gate):
    left, right = h.chunk(2, -1)
    return F.silu(left) * right * gate.unsqueeze(-1)


def swiglu_backward(d_a, h, gate):
    """The activation again (it is not saved), the gradient by h [M, 2F] and by the gate [M]."""
    left, right = h.chunk(2, -1)
    sigma = torch.sigmoid(left)
    silu = left * sigma
    product = silu * right
    by_gate = d_a * gate.unsqueeze(-1)
    d_h = torch.cat([by_gate * right * (sigma + silu * (1 - sigma)), by_gate * silu], -1)
    return product * gate.unsqueeze(-1), d_h, (d_a * product).sum(-1)


def rotate(x, cosine, sine):
    """Turns the heads of x [B, S, heads, size]; the tables are [S, 1, size / 2]."""
    first, second = x.chunk(2, -1)
    return torch.cat([first * cosine - second * sine, first * sine + second * cosine], -1)


def split_heads(qkv, cosine, sine, heads, kv_heads):
    """qkv [B, S, heads + 2 kv_heads, size] -> q, k turned, and v, each [B, heads, S, size]; the
    heads of k and v are repeated for the queries that share them."""
    turned = rotate(qkv[:, :, : heads + kv_heads], cosine, sine)
    k, v = turned[:, :, heads:], qkv[:, :, heads + kv_heads :]
    shared = heads // kv_heads
    if shared > 1:
        k, v = k.repeat_interleave(shared, 2), v.repeat_interleave(shared, 2)
    return tuple(part.transpose(1, 2).contiguous() for part in (turned[:, :, :heads], k, v))


def join_heads(d_q, d_k, d_v, cosine, sine, kv_heads):
    """The backward of split_heads."""
    batch, heads, positions, size = d_q.shape
    shared = heads // kv_heads
    if shared > 1:
        d_k = d_k.reshape(batch, kv_heads, shared, positions, size).sum(2)
        d_v = d_v.reshape(batch, kv_heads, shared, positions, size).sum(2)
    d_turned = rotate(torch.cat([d_q, d_k], 1).transpose(1, 2), cosine, -sine)
    return torch.cat([d_turned, d_v.transpose(1, 2)], 2)


def cross_entropy(logits, target, scale):
    """The losses of rows and the gradient by the logits, times `scale`."""
    largest = logits.amax(-1, keepdim=True)
    e = torch.exp(logits - largest)
    total = e.sum(-1, keepdim=True)
    loss = torch.log(total) + largest - logits.gather(-1, target.unsqueeze(-1))
    hit = torch.arange(logits.shape[-1]).unsqueeze(0) == target.unsqueeze(-1)
    return loss.squeeze(-1), (e / total - hit.to(logits.dtype)) * scale


def normalise(logits, gain, epsilon):
    """Scores of a token, centred, of unit size, times a gain."""
    centred = logits - logits.mean(-1, keepdim=True)
    scale = torch.rsqrt(centred.square().mean(-1, keepdim=True) + epsilon)
    normed = centred * scale
    return normed * gain, normed, scale


def normalise_backward(d_scores, normed, scale, gain):
    along = (d_scores * normed).mean(-1, keepdim=True)
    d_logits = gain * scale * (d_scores - d_scores.mean(-1, keepdim=True) - normed * along)
    return d_logits, (d_scores * normed).sum().reshape(1)


def best_experts(scores, count):
    return torch.zeros_like(scores, dtype=torch.bool).scatter_(
        -1, scores.topk(count, -1, sorted=False).indices, True)


def top_k_gates(scores, mask):
    """The softmax over the chosen experts: p over the sum of the chosen p."""
    return torch.softmax(scores.masked_fill(~mask, float("-inf")), -1)


def top_k_gates_backward(d_gate, gate):
    return gate * (d_gate - (gate * d_gate).sum(-1, keepdim=True))


def balance_gradient(scores, weight, scale):
    """Of scale * sum over tokens of <softmax(scores), weight>."""
    p = torch.softmax(scores, -1)
    return scale * p * (weight - (p * weight).sum(-1, keepdim=True))


def lapsum_gates(u):
    f = lapsum.density(u)
    return lapsum.probability(u, f), f


class Kernels:
    """The functions above by name, compiled or eager."""

    _DYNAMIC = ("swiglu", "swiglu_backward")  # rows of experts differ from step to step
    _EAGER = ("best_experts",)
    _ALL = ("rms_norm", "rms_norm_backward", "split_heads", "join_heads", "cross_entropy", "normalise",
            "normalise_backward", "top_k_gates", "top_k_gates_backward", "balance_gradient", "lapsum_gates")

    def __init__(self, compiled):
        for name in self._ALL + self._DYNAMIC + self._EAGER:
            function = globals()[name]
            if compiled and name not in self._EAGER:
                function = torch.compile(function, dynamic=name in self._DYNAMIC)
            setattr(self, name, function)
        self.scores_gradient = lapsum.scores_gradient
        self.model_root = lapsum.model_root
        if compiled:
            self.scores_gradient = torch.compile(lapsum.scores_gradient, dynamic=False)
            self.model_root = torch.compile(lapsum.model_root, dynamic=False)
