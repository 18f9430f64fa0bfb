"""The model of model/transformer.h in torch, its backward written out: no graph is recorded, every
product writes where its result belongs, and nothing that can be computed again is saved.

Letters: T tokens, H hidden, E experts, M rows here, F inner width, B sequences, S positions.
"""

import math

import torch

from router import Router


class Saved:
    """What a block keeps for its backward."""


class Attention:
    def __init__(self, shape, parameters, layer, kernels):
        self.shape, self.kernels, self.layer = shape, kernels, layer
        self.value, self.gradient = parameters.value, parameters.gradient
        self.flash = hasattr(torch.ops.aten, "_scaled_dot_product_flash_attention_for_cpu")
        half = shape.head_size // 2
        frequency = shape.theta ** (-2 * torch.arange(half, dtype=torch.float64) / shape.head_size)
        angle = torch.outer(torch.arange(shape.positions, dtype=torch.float64), frequency)
        dtype = parameters.values.dtype
        self.cosine = angle.cos().to(dtype).unsqueeze(1)
        self.sine = angle.sin().to(dtype).unsqueeze(1)
        self.future = torch.full((shape.positions, shape.positions), float("-inf"), dtype=dtype).triu(1)

    def _parameter(self, name):
        return self.value[f"{self.layer}.{name}"]

    def forward(self, x):
        s = self.saved = Saved()
        k = self.kernels
        shape = self.shape
        s.x = x
        s.normed, s.scale = k.rms_norm(x, self._parameter("attention_norm"), shape.norm_epsilon)
        qkv = s.normed @ self._parameter("qkv").t()
        qkv = qkv.view(-1, shape.positions, shape.heads + 2 * shape.kv_heads, shape.head_size)
        s.q, s.k, s.v = k.split_heads(qkv, self.cosine, self.sine, shape.heads, shape.kv_heads)
        s.o = self._attend(s).transpose(1, 2).reshape(x.shape[0], -1)
        return torch.addmm(x, s.o, self._parameter("out").t())

    def _attend(self, s):
        if self.flash:
            out, s.log_sum = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(
                s.q, s.k, s.v, 0.0, True)
            s.attended = out
            return out
        batch, heads, positions, size = s.q.shape
        q, k, v = (part.view(batch * heads, positions, size) for part in (s.q, s.k, s.v))
        scores = torch.baddbmm(self.future, q, k.transpose(1, 2), alpha=1 / math.sqrt(size))
        s.weights = torch.softmax(scores, -1)
        return torch.bmm(s.weights, v).view(batch, heads, positions, size)

    def _attend_backward(self, s, d_o):
        if self.flash:
            return torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward(
                d_o, s.q, s.k, s.v, s.attended, s.log_sum, 0.0, True)
        batch, heads, positions, size = s.q.shape
        q, k, v, d_o = (part.reshape(batch * heads, positions, size) for part in (s.q, s.k, s.v, d_o))
        d_v = torch.bmm(s.weights.transpose(1, 2), d_o)
        d_weights = torch.bmm(d_o, v.transpose(1, 2))
        d_scores = torch.ops.aten._softmax_backward_data(d_weights, s.weights, -1, s.weights.dtype)
        d_scores.mul_(1 / math.sqrt(size))
        d_q, d_k = torch.bmm(d_scores, k), torch.bmm(d_scores.transpose(1, 2), q)
        return tuple(part.view(batch, heads, positions, size) for part in (d_q, d_k, d_v))

    def backward(self, d_y):
        s, shape, name = self.saved, self.shape, self.layer
        torch.mm(d_y.t(), s.o, out=self.gradient[f"{name}.out"])
        d_o = d_y @ self._parameter("out")
        d_o = d_o.view(-1, shape.positions, shape.heads, shape.head_size).transpose(1, 2)
        d_q, d_k, d_v = self._attend_backward(s, d_o)
        d_qkv = self.kernels.join_heads(d_q, d_k, d_v, self.cosine, self.sine, shape.kv_heads)
        d_qkv = d_qkv.reshape(d_y.shape[0], -1)
        torch.mm(d_qkv.t(), s.normed, out=self.gradient[f"{name}.qkv"])
        d_normed = d_qkv @ self._parameter("qkv")
        d_x, d_gain = self.kernels.rms_norm_backward(
            d_normed, s.x, self._parameter("attention_norm"), s.scale, d_y)
        self.gradient[f"{name}.attention_norm"].copy_(d_gain)
        return d_x


class Experts:
    """The MoE half of a block."""

    def __init__(self, shape, parameters, layer, kernels, routing, exchange):
        self.shape, self.kernels, self.layer = shape, kernels, layer
        self.value, self.gradient = parameters.value, parameters.gradient
        self.exchange = exchange
        self.router = Router(shape, parameters, layer, kernels, routing)

    def forward(self, x, k):
        s = self.saved = Saved()
        s.x = x
        gain = self.value[f"{self.layer}.ffn_norm"]
        normed, s.scale = self.kernels.rms_norm(x, gain, self.shape.norm_epsilon)
        s.plan = plan = self.router.forward(normed, k)
        s.journey = self.exchange.plan(plan)
        s.rows = self.exchange.send(s.journey, normed.index_select(0, plan.token))
        s.gate = self.exchange.send(s.journey, plan.gate)
        s.h = torch.empty(s.rows.shape[0], 2 * self.shape.inner, dtype=x.dtype)
        counts = s.journey.counts
        gate_up, down = self.value[f"{self.layer}.gate_up"], self.value[f"{self.layer}.down"]
        for rows, weight, out in zip(s.rows.split(counts), gate_up.unbind(0), s.h.split(counts)):
            torch.mm(rows, weight, out=out)
        a = self.kernels.swiglu(s.h, s.gate)
        y = torch.empty_like(s.rows)
        for rows, weight, out in zip(a.split(counts), down.unbind(0), y.split(counts)):
            torch.mm(rows, weight, out=out)
        return plan.combine(self.exchange.send_back(s.journey, y)).add_(x)

    def backward(self, d_y):
        s, counts = self.saved, self.saved.journey.counts
        d_rows = self.exchange.send(s.journey, d_y.index_select(0, s.plan.token))
        d_a = torch.empty(d_rows.shape[0], self.shape.inner, dtype=d_y.dtype)
        gate_up, down = self.value[f"{self.layer}.gate_up"], self.value[f"{self.layer}.down"]
        for rows, weight, out in zip(d_rows.split(counts), down.unbind(0), d_a.split(counts)):
            torch.mm(rows, weight.t(), out=out)
        a, d_h, d_gate = self.kernels.swiglu_backward(d_a, s.h, s.gate)
        for left, right, out in zip(a.split(counts), d_rows.split(counts), self.gradient[f"{self.layer}.down"].unbind(0)):
            torch.mm(left.t(), right, out=out)
        for left, right, out in zip(s.rows.split(counts), d_h.split(counts), self.gradient[f"{self.layer}.gate_up"].unbind(0)):
            torch.mm(left.t(), right, out=out)
        d_x = torch.empty_like(d_rows)
        for rows, weight, out in zip(d_h.split(counts), gate_up.unbind(0), d_x.split(counts)):
            torch.mm(rows, weight.t(), out=out)
        d_normed = s.plan.combine(self.exchange.send_back(s.journey, d_x))
        self.router.backward(self.exchange.send_back(s.journey, d_gate), d_normed)
        d_x, d_gain = self.kernels.rms_norm_backward(
            d_normed, s.x, self.value[f"{self.layer}.ffn_norm"], s.scale, d_y)
        self.gradient[f"{self.layer}.ffn_norm"].copy_(d_gain)
        return d_x


class Model:
    """@param total_tokens  of the step over all ranks: the loss is their mean"""

    CHUNK = 256  # tokens whose logits stand at once: they stay in the cache

    def __init__(self, shape, parameters, kernels, routing, exchange, total_tokens):
        self.shape, self.kernels, self.routing = shape, kernels, routing
        self.value, self.gradient = parameters.value, parameters.gradient
        self.attention = [Attention(shape, parameters, l, kernels) for l in range(shape.layers)]
        self.experts = [Experts(shape, parameters, l, kernels, routing, exchange) for l in range(shape.layers)]
        self.scale = 1 / total_tokens
        self.table = "embedding" if shape.tied else "output"

    def loss_and_gradient(self, token, target):
        """Overwrites every gradient; returns this rank's part of the mean loss, and the tallies
        [L, E + 1] of this rank's tokens: rows by expert, scores near the cut."""
        means = self.routing.layer_means(self.value["layer_means"])
        x = self.value["embedding"].index_select(0, token)
        for attention, experts, k in zip(self.attention, self.experts, means):
            x = experts.forward(attention.forward(x), k)
        loss, d_x = self._head(x, target)
        for attention, experts in zip(reversed(self.attention), reversed(self.experts)):
            d_x = attention.backward(experts.backward(d_x))
        d_embedding = self.gradient["embedding"]
        (d_embedding if self.shape.tied else d_embedding.zero_()).index_add_(0, token, d_x)
        d_means = torch.stack([experts.router.d_k for experts in self.experts])
        self.gradient["layer_means"].copy_(self.routing.layer_means_vjp(self.value["layer_means"], d_means))
        return loss, torch.stack([experts.router.tallies for experts in self.experts])

    def _head(self, x, target):
        gain, table = self.value["final_norm"], self.value[self.table]
        normed, scale = self.kernels.rms_norm(x, gain, self.shape.norm_epsilon)
        d_table = self.gradient[self.table].zero_()
        d_normed = torch.empty_like(normed)
        loss = 0.0
        for begin in range(0, x.shape[0], self.CHUNK):
            end = begin + self.CHUNK
            rows = normed[begin:end]
            losses, d_logits = self.kernels.cross_entropy(rows @ table.t(), target[begin:end], self.scale)
            loss += float(losses.sum()) * self.scale
            d_table.addmm_(d_logits.t(), rows)
            torch.mm(d_logits, table, out=d_normed[begin:end])
        d_x, d_gain = self.kernels.rms_norm_backward(d_normed, x, gain, scale, torch.zeros_like(x))
        self.gradient["final_norm"].copy_(d_gain)
        return loss, d_x
