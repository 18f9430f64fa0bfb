#!/usr/bin/env python3
"""The layer that bench/gpu_layer times, in torch on the same GPU: the same shapes, routers and number
of rows, the backward written out, grouped products, everything between them compiled.

    build/cuda/bench/gpu_layer; bench/peer/gpu_layer.py

Letters: T tokens, E experts, N rows, H hidden, F inner width.
"""

import argparse
import json
import statistics
import sys
import time

import torch

import kernels
import lapsum

EPSILON = 1e-6
ALPHA = 1.0


class Products:
    """Of rows in expert order with their experts' weights [E, K, N]."""

    def __init__(self, grouped):
        self.grouped = grouped

    def rows(self, rows, weight, counts, ends):
        if self.grouped:
            return torch._grouped_mm(rows, weight, offs=ends)
        return torch.cat([part @ w for part, w in zip(rows.split(counts), weight.unbind(0))])

    def weights(self, left, right, counts, ends):
        """left^T right of every expert: [E, K, N]."""
        if self.grouped:
            return torch._grouped_mm(left.t(), right, offs=ends)
        return torch.stack([a.t() @ b for a, b in zip(left.split(counts), right.split(counts))])


class Layer:
    def __init__(self, options, dtype, kind):
        t, e, h, f = options.tokens, options.experts, options.hidden, options.inner
        make = torch.Generator(options.device).manual_seed(1)

        def numbers(shape, scale, of=dtype):
            return (torch.randn(shape, generator=make, device=options.device) * scale).to(of)

        self.kind, self.num_rows = kind, options.rows
        self.k = torch.tensor([options.rows / t], device=options.device)
        self.router = numbers((e, h), h**-0.5, torch.float32)
        self.gain = torch.ones(1, device=options.device)
        # Stored as [E, out, in]: the layout that grouped products want.
        self.gate_up, self.down = numbers((e, 2 * f, h), h**-0.5), numbers((e, h, f), f**-0.5)
        self.x, self.d_y = numbers((t, h), 1.0), numbers((t, h), 1.0)
        self.kernels = kernels.Kernels(options.compiled)
        self.products = Products(dtype == torch.bfloat16)
        self.pack, self.combine = pack, combine
        if options.compiled:
            self.pack, self.combine = (torch.compile(one, dynamic=False) for one in (pack, combine))
        self.cut = None

    def route(self, x):
        self.scores, self.normed, self.scale = self.kernels.normalise(x @ self.router.t(), self.gain, EPSILON)
        if self.kind == "topk":
            chosen = torch.topk(self.scores, self.num_rows // x.shape[0], -1, sorted=False)
            gates = torch.softmax(chosen.values, -1)
            self.gates, expert = gates.reshape(-1), chosen.indices.reshape(-1)
            token = torch.arange(expert.shape[0], device=x.device) // chosen.indices.shape[1]
        else:
            u = lapsum.solve(self.scores, self.k, ALPHA, self.kernels.model_root)
            self.u = u
            p, self.f = self.kernels.lapsum_gates(u)
            if self.cut is None:  # a budget's controller knows it from the steps before
                self.cut = u.reshape(-1).topk(self.num_rows).values[-1]
            token, expert = (u >= self.cut).nonzero(as_tuple=True)
            self.gates = p[token, expert]
        order = expert.argsort(stable=True)
        self.expert, self.token = expert[order], token[order]
        self.gate, self.order = self.gates[order], order
        counts = torch.bincount(expert, minlength=self.router.shape[0])
        self.ends = counts.cumsum(0).to(torch.int32)
        self.counts = None if self.products.grouped else counts.tolist()

    def forward(self):
        self.x_wide = self.x.float()
        self.route(self.x_wide)
        self.rows = self.pack(self.x, self.token)
        self.h = self.products.rows(self.rows, self.gate_up.transpose(1, 2), self.counts, self.ends)
        a = self.kernels.swiglu(self.h, self.gate.to(self.h.dtype))
        out = self.products.rows(a, self.down.transpose(1, 2), self.counts, self.ends)
        self.y = self.combine(out, self.token, torch.zeros_like(self.x))
        return self.y

    def backward(self):
        d_rows = self.pack(self.d_y, self.token)
        d_a = self.products.rows(d_rows, self.down, self.counts, self.ends)
        a, d_h, d_gate = self.kernels.swiglu_backward(d_a, self.h, self.gate.to(self.h.dtype))
        self.d_down = self.products.weights(d_rows, a, self.counts, self.ends)
        self.d_gate_up = self.products.weights(d_h, self.rows, self.counts, self.ends)
        d_x = self.products.rows(d_h, self.gate_up, self.counts, self.ends)
        d_logits = self.route_backward(d_gate.float())
        self.d_router = d_logits.t() @ self.x_wide
        self.d_x = self.combine(d_x, self.token, (d_logits @ self.router).to(self.x.dtype))
        return self.d_x

    def route_backward(self, d_gate):
        d_gates = torch.zeros_like(self.scores)
        d_gates[self.token, self.expert] = d_gate
        if self.kind == "topk":
            gates = torch.zeros_like(self.scores)
            gates[self.token, self.expert] = self.gate
            d_scores = self.kernels.top_k_gates_backward(d_gates, gates)
        else:
            d_scores, self.d_k = self.kernels.scores_gradient(d_gates, self.u, self.f, ALPHA)
        d_logits, self.d_gain = self.kernels.normalise_backward(d_scores, self.normed, self.scale, self.gain)
        return d_logits


def pack(table, token):
    return table.index_select(0, token)


def combine(rows, token, onto):
    return onto.index_add_(0, token, rows)


def wrong_tokens(layer):
    """Of the first sixteen: those whose y is not what float64 makes of the same rows."""
    wrong = 0
    for t in range(16):
        y = torch.zeros(layer.x.shape[1], dtype=torch.float64, device=layer.x.device)
        for i in (layer.token == t).nonzero().flatten().tolist():
            e = int(layer.expert[i])
            left, right = (layer.gate_up[e].double() @ layer.x[t].double()).chunk(2)
            y += layer.down[e].double() @ (torch.nn.functional.silu(left) * right * layer.gate[i].double())
        allowed = 2e-2 if layer.x.dtype == torch.bfloat16 else 1e-3
        wrong += not bool((layer.y[t].double() - y).norm() <= allowed * y.norm())
    return wrong


def seconds_of(work, synchronize):
    begin = time.perf_counter()
    work()
    synchronize()
    return time.perf_counter() - begin


def measure(options, kind, dtype):
    layer = Layer(options, dtype, kind)
    synchronize = torch.cuda.synchronize if options.device == "cuda" else lambda: None
    forward, backward = [], []
    for run in range(-options.warm_ups, options.runs):
        times = seconds_of(layer.forward, synchronize), seconds_of(layer.backward, synchronize)
        if run >= 0:
            forward.append(times[0])
            backward.append(times[1])
    products = 2 * options.hidden * (3 * layer.token.shape[0] * options.inner + options.tokens * options.experts)
    medians = statistics.median(forward), statistics.median(backward)
    return {"torch": torch.__version__, "compiled": options.compiled, "routing": kind,
            "element_bytes": dtype.itemsize, "rows": layer.token.shape[0],
            "forward_seconds_median": medians[0], "forward_seconds_min": min(forward),
            "backward_seconds_median": medians[1], "backward_seconds_min": min(backward),
            "forward_tflops": 1e-12 * products / medians[0], "backward_tflops": 2e-12 * products / medians[1],
            "wrong_tokens": wrong_tokens(layer)}


def main():
    parser = argparse.ArgumentParser(description="times a MoE layer in torch")
    for name, value in (("tokens", 8192), ("hidden", 2048), ("inner", 1408), ("experts", 64), ("rows", 32768),
                        ("runs", 20), ("warm-ups", 5)):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--eager", dest="compiled", action="store_false")
    parser.add_argument("--element-bytes", type=int, choices=(2, 4), nargs="*", default=(2, 4))
    options = parser.parse_args()
    wrong = 0
    for element in options.element_bytes:
        for kind in ("topk", "softmoe"):
            row = measure(options, kind, torch.bfloat16 if element == 2 else torch.float32)
            wrong += row["wrong_tokens"]
            print(json.dumps(row), flush=True)
    sys.exit(bool(wrong))


if __name__ == "__main__":
    with torch.no_grad():
        main()
