"""How tokens choose experts, and the rows that follow from it.

Letters: T tokens, E experts, N rows, L layers, H hidden.
"""

import math

import torch

import lapsum


class Plan:
    """The rows of a layer, by expert and within an expert by token.

    @param mask   [T, E], which experts a token runs
    @param gates  [T, E], their weights, read where `mask` is set
    """

    def __init__(self, mask, gates):
        experts = mask.shape[1]
        by_expert = mask.t().nonzero()
        self.token = by_expert[:, 1].contiguous()
        self.place = self.token * experts + by_expert[:, 0]  # in [T, E]
        self.gate = gates.reshape(-1).index_select(0, self.place)
        self.counts = mask.sum(0)
        # The rows of a token, by expert, for combine.
        self._row = self.token.argsort(stable=True)
        per_token = mask.sum(1)
        self._begin = per_token.cumsum(0) - per_token

    def combine(self, rows):
        """The sum of every token's rows [N, H] -> [T, H]."""
        return torch.nn.functional.embedding_bag(self._row, rows, self._begin, mode="sum")


class Routing:
    """What the layers of a model share: the kind, the shift lambda, the loads of the last step."""

    NEWTON, DEBT = 0.7, 0.1  # of the step that would meet the budget at once; of what is overdrawn
    NEAR = 0.25  # half the width, in units of alpha, in which scores at the cut are counted

    def __init__(self, shape, kind, total_tokens):
        self.shape, self.kind = shape, kind
        self.budget = float(shape.experts_per_token * shape.layers)
        self.shift = 0.0
        self.total_tokens = total_tokens
        self.weights = [torch.full((shape.experts,), shape.balance) for _ in range(shape.layers)]
        self.rows_per_token = 0.0
        self.expert_skew = 1.0  # the fullest expert's rows over the mean, mean over layers
        self._debt = 0.0

    @property
    def cut(self):
        return lapsum.laplace_quantile(self.shape.threshold) + self.shift

    def layer_means(self, eta):
        """k of each layer: 1 + (K - L) softmax(eta)."""
        layers = self.shape.layers
        return list((1 + (self.budget - layers) * torch.softmax(eta, 0)).split(1))

    def layer_means_vjp(self, eta, d_k):
        if self.kind != "softmoe":
            return torch.zeros_like(eta)
        pi = torch.softmax(eta, 0)
        return (self.budget - self.shape.layers) * pi * (d_k - (pi * d_k).sum())

    def observe(self, tallies):
        """After a step: the tallies [L, E + 1] of all ranks, rows by expert and then scores near the
        cut. Sets the weights of the balance loss, and moves the shift towards the budget: the density
        of scores at the cut is how the rows follow it."""
        counts = tallies[:, :-1].double()
        share = counts / counts.sum(1, keepdim=True).clamp(min=1)
        self.weights = list((self.shape.balance * self.shape.experts * share).float().unbind(0))
        rows = float(counts.sum()) / self.total_tokens
        if self.kind == "softmoe":
            density = float(tallies[:, -1].sum()) / (2 * self.NEAR * self.total_tokens)
            error = rows - self.budget
            self._debt = min(2.0, max(-2.0, self._debt + error))
            wanted = self.NEWTON * (error + self.DEBT * self._debt) / max(density, 0.1 * self.budget)
            self.shift = min(8.0, max(-8.0, self.shift + min(0.5, max(-0.5, wanted))))
        self.rows_per_token = rows
        self.expert_skew = float((counts.amax(1) / counts.mean(1).clamp(min=1e-9)).mean())


class Router:
    def __init__(self, shape, parameters, layer, kernels, routing):
        self.shape, self.layer, self.kernels, self.routing = shape, layer, kernels, routing
        self.weight = parameters.value[f"{layer}.router"]
        self.gain = parameters.value[f"{layer}.gain"]
        self.d_weight = parameters.gradient[f"{layer}.router"]
        self.d_gain = parameters.gradient[f"{layer}.gain"]

    def forward(self, x, k):
        kernels, shape = self.kernels, self.shape
        self.x = x
        logits = x @ self.weight.t()
        self.scores, self.normed, self.scale = kernels.normalise(logits, self.gain, shape.score_epsilon)
        if self.routing.kind == "topk":
            near = 0
            mask = kernels.best_experts(self.scores, shape.experts_per_token)
            self.gates = kernels.top_k_gates(self.scores, mask)
        else:
            self.u = lapsum.solve(self.scores, k, shape.temperature, kernels.model_root)
            self.gates, self.f = kernels.lapsum_gates(self.u)
            cap = max(1, min(shape.experts, math.ceil(float(k) * shape.cap_factor - 1e-6)))
            mask = lapsum.truncate(self.u, self.routing.cut, cap)
            near = int(((self.u - self.routing.cut).abs() < self.routing.NEAR).sum())
        self.plan = Plan(mask, self.gates)
        self.tallies = torch.cat([self.plan.counts, torch.tensor([near])])
        return self.plan

    def backward(self, d_gate, d_x):
        """Adds to the gradient by x."""
        d_gates = torch.zeros_like(self.gates)
        d_gates.view(-1).index_copy_(0, self.plan.place, d_gate)
        if self.routing.kind == "topk":
            d_scores = self.kernels.top_k_gates_backward(d_gates, self.gates)
            self.d_k = d_scores.new_zeros(())
        else:
            d_scores, d_k = self.kernels.scores_gradient(d_gates, self.u, self.f, self.shape.temperature)
            self.d_k = d_k.sum()
        weight = self.routing.weights[self.layer].to(d_scores.dtype)
        d_scores = d_scores + self.kernels.balance_gradient(self.scores, weight, 1 / self.routing.total_tokens)
        d_logits, d_gain = self.kernels.normalise_backward(d_scores, self.normed, self.scale, self.gain)
        self.d_gain.copy_(d_gain)
        torch.mm(d_logits.t(), self.x, out=self.d_weight)
        d_x.addmm_(d_logits, self.weight)
