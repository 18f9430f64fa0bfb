"""Parameters, gradients and AdamW over flat memory, so that an update is a handful of calls.

Letters: H hidden, F inner width, E experts, e experts of this rank, V vocabulary, L layers.
"""

import dataclasses
import math

import torch


@dataclasses.dataclass(frozen=True)
class Shape:
    """A model; bench/shapes/NAME.yaml is the same one."""

    name: str
    layers: int
    hidden: int
    heads: int
    kv_heads: int
    experts: int
    inner: int
    positions: int
    sequences: int
    vocabulary: int
    experts_per_token: int
    balance: float
    tied: bool  # one table for embedding and output
    cap_factor: float = 4.0
    threshold: float = 0.2
    temperature: float = 1.0
    theta: float = 10000.0
    norm_epsilon: float = 1e-5
    score_epsilon: float = 1e-6

    @property
    def head_size(self):
        return self.hidden // self.heads

    @property
    def tokens(self):
        return self.sequences * self.positions


SHAPES = {
    shape.name: shape
    for shape in (
        Shape("demo", 4, 192, 4, 2, 16, 192, 128, 16, 4096, 2, 0.05, False),
        Shape("eight", 4, 256, 4, 4, 8, 1024, 256, 8, 4096, 2, 0.01, True),
        Shape("sixty_four", 4, 256, 4, 4, 64, 256, 256, 8, 4096, 4, 0.01, True),
    )
}


def _declare(shape, experts_here):
    """(name, size, standard deviation, constant, group) of every parameter."""
    h, f, v = shape.hidden, shape.inner, shape.vocabulary
    size = shape.head_size
    qkv = (shape.heads + 2 * shape.kv_heads) * size
    into_residual = 1 / math.sqrt(2 * shape.layers)
    rows = [("embedding", (v, h), 1 / math.sqrt(h) if shape.tied else 1.0, 0.0, "matrix")]
    if not shape.tied:
        rows.append(("output", (v, h), 0.1 / math.sqrt(h), 0.0, "matrix"))
    for layer in range(shape.layers):
        rows += [
            (f"{layer}.qkv", (qkv, h), 1 / math.sqrt(h), 0.0, "matrix"),
            (f"{layer}.out", (h, shape.heads * size), into_residual / math.sqrt(shape.heads * size), 0.0, "matrix"),
            (f"{layer}.router", (shape.experts, h), 1 / math.sqrt(h), 0.0, "matrix"),
            (f"{layer}.attention_norm", (h,), 0.0, 1.0, "vector"),
            (f"{layer}.ffn_norm", (h,), 0.0, 1.0, "vector"),
            (f"{layer}.gain", (1,), 0.0, 1.0, "vector"),
            # [in, out] for each expert: measured faster than [out, in] in forward and in d_rows.
            (f"{layer}.gate_up", (experts_here, h, 2 * f), 1 / math.sqrt(h), 0.0, "expert"),
            (f"{layer}.down", (experts_here, f, h), into_residual / math.sqrt(f), 0.0, "expert"),
        ]
    rows += [("final_norm", (h,), 0.0, 1.0, "vector"), ("layer_means", (shape.layers,), 0.0, 0.0, "vector")]
    return rows


class Parameters:
    """Values and gradients by name, views of two flat tensors: vectors, matrices, experts.

    @param memory  makes a flat tensor of so many numbers; it may be shared between processes
    """

    def __init__(self, shape, experts_here, seed, memory=torch.zeros, dtype=torch.float32):
        order = {"vector": 0, "matrix": 1, "expert": 2}
        rows = sorted(_declare(shape, experts_here), key=lambda row: order[row[4]])
        # A cache line between parameters, so that each one's products start aligned.
        sizes = [-(-math.prod(row[1]) // 16) * 16 for row in rows]
        total = sum(sizes)
        self.values, self.gradients = memory(total, dtype=dtype), memory(total, dtype=dtype)
        self.value, self.gradient, self.group_end = {}, {}, {}
        generator = torch.Generator().manual_seed(seed)
        begin = 0
        for (name, dims, deviation, constant, group), size in zip(rows, sizes):
            count = math.prod(dims)
            for flat, views in ((self.values, self.value), (self.gradients, self.gradient)):
                views[name] = flat[begin : begin + count].view(dims)
            self.value[name].fill_(constant)
            if deviation:
                self.value[name].normal_(0, deviation, generator=generator)
            begin += size
            self.group_end[group] = begin

    def rebind(self, values, gradients):
        """Takes other flat tensors of the same size, such as another process's."""
        for views, old, new in ((self.value, self.values, values), (self.gradient, self.gradients, gradients)):
            for name, view in views.items():
                begin = view.storage_offset() - old.storage_offset()
                views[name] = new[begin : begin + view.numel()].view(view.shape)
        self.values, self.gradients = values, gradients


class AdamW:
    """AdamW over the part [begin, end) of flat parameters; vectors are not decayed."""

    def __init__(self, parameters, begin, end, rate=3e-4, clip=1.0, warmup=100):
        """@param rate    costs the same whatever it is; a small one lets LapSum's rows stand at the budget
        @param warmup  steps in which the rate rises linearly"""
        self._clip, self._rate, self._warmup, self._steps = clip, rate, warmup, 0
        self._gradients = parameters.gradients[begin:end]
        vectors = parameters.group_end["vector"]
        groups = []
        for low, high, decay in ((begin, min(end, vectors), 0.0), (max(begin, vectors), end, 0.1)):
            if low < high:
                part = torch.nn.Parameter(parameters.values[low:high], requires_grad=False)
                part.grad = parameters.gradients[low:high]
                groups.append({"params": [part], "weight_decay": decay})
        # Before torch 2.4 nothing fuses AdamW on a CPU; the loop is faster there than foreach.
        major, minor = (int(part) for part in torch.__version__.split(".")[:2])
        kind = {"fused": True} if (major, minor) >= (2, 4) else {"foreach": False}
        self._optimizer = torch.optim.AdamW(groups, lr=rate, betas=(0.9, 0.95), eps=1e-8, **kind)

    def sum_squares(self):
        return float(torch.linalg.vector_norm(self._gradients)) ** 2

    def update(self, sum_squares):
        """@param sum_squares  of the whole gradient, over all ranks"""
        norm = math.sqrt(sum_squares)
        if norm > self._clip:
            self._gradients.mul_(self._clip / norm)
        self._steps += 1
        for group in self._optimizer.param_groups:
            group["lr"] = self._rate * min(1, self._steps / self._warmup)
        self._optimizer.step()
