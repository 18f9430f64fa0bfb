"""Three ways to put a step on two cores. Each trains the same model on the same global batch.

    threads  one process, torch's threads inside every operation
    experts  a process a core: experts shared out, rows by all-to-all over gloo, dense gradients summed
    shared   a process a core: sequences shared out, parameters and gradients in shared memory; each
             process sums and updates its half of the parameters
"""

import os
import socket

import torch
import torch.distributed as dist
import torch.multiprocessing as multiprocessing

from exchange import AllToAll, Here
from kernels import Kernels
from model import Model
from parameters import AdamW, Parameters
from router import Routing


class Trainer:
    """One rank of one process: the whole step."""

    def __init__(self, shape, routing, compiled, seed):
        self.shape = shape
        self.routing = Routing(shape, routing, shape.tokens)
        self._build(compiled, seed)

    def _build(self, compiled, seed):
        self.parameters = Parameters(self.shape, self.shape.experts, seed)
        self.model = Model(self.shape, self.parameters, Kernels(compiled), self.routing, Here(), self.shape.tokens)
        self.optimizer = AdamW(self.parameters, 0, self.parameters.values.numel())

    def step(self, token, target):
        """The mean loss of the step; tokens are this rank's."""
        loss, tallies = self.model.loss_and_gradient(token, target)
        self.optimizer.update(self.optimizer.sum_squares())
        self.routing.observe(tallies)
        return loss

    def part(self, batch):
        return batch

    def wait(self):
        pass


class ExpertTrainer(Trainer):
    """@param rank  one of two processes of torch.distributed"""

    def __init__(self, shape, routing, compiled, seed, rank):
        self.rank, self.ranks = rank, dist.get_world_size()
        super().__init__(shape, routing, compiled, seed)

    def _build(self, compiled, seed):
        self.parameters = Parameters(self.shape, self.shape.experts // self.ranks, seed + self.rank)
        self.dense_end = self.parameters.group_end["matrix"]
        dist.broadcast(self.parameters.values[: self.dense_end], 0)
        self.model = Model(
            self.shape, self.parameters, Kernels(compiled), self.routing, AllToAll(self.shape.experts), self.shape.tokens)
        self.optimizer = AdamW(self.parameters, 0, self.parameters.values.numel())

    def step(self, token, target):
        loss, tallies = self.model.loss_and_gradient(token, target)
        gradients = self.parameters.gradients
        dense = gradients[: self.dense_end]
        dist.all_reduce(dense)
        squares = float(torch.linalg.vector_norm(gradients[self.dense_end :])) ** 2
        sums = torch.cat([tallies.reshape(-1).double(), torch.tensor([loss, squares], dtype=torch.float64)])
        dist.all_reduce(sums)
        self.optimizer.update(float(sums[-1]) + float(torch.linalg.vector_norm(dense)) ** 2)
        self.routing.observe(sums[:-2].view_as(tallies))
        return float(sums[-2])

    def part(self, batch):
        return batch.chunk(self.ranks)[self.rank]

    def wait(self):
        dist.barrier()


class SharedTrainer(Trainer):
    """@param rank    one of two processes
    @param memory  what they share, from shared_memory()
    """

    def __init__(self, shape, routing, compiled, seed, rank, memory):
        self.rank, self.memory = rank, memory
        super().__init__(shape, routing, compiled, seed)

    def _build(self, compiled, seed):
        self.parameters = Parameters(self.shape, self.shape.experts, seed)
        if self.rank == 0:
            self.memory["values"].copy_(self.parameters.values)
        self.parameters.rebind(self.memory["values"], self.memory["gradients"][self.rank])
        self.wait()
        self.model = Model(self.shape, self.parameters, Kernels(compiled), self.routing, Here(), self.shape.tokens)
        size = self.parameters.values.numel()
        half = size // 32 * 16
        self.begin, self.end = (0, half) if self.rank == 0 else (half, size)
        self.optimizer = AdamW(self.parameters, self.begin, self.end)

    def step(self, token, target):
        sums = self.memory["sums"]
        loss, tallies = self.model.loss_and_gradient(token, target)
        sums[self.rank, : tallies.numel()] = tallies.reshape(-1).double()
        sums[self.rank, -2] = loss
        self.wait()
        own, other = (self.memory["gradients"][r, self.begin : self.end] for r in (self.rank, 1 - self.rank))
        own.add_(other)
        sums[self.rank, -1] = self.optimizer.sum_squares()
        self.wait()
        total = sums.sum(0)
        self.optimizer.update(float(total[-1]))
        self.routing.observe(total[: tallies.numel()].view_as(tallies))
        self.wait()
        return float(total[-2])

    def part(self, batch):
        return batch.chunk(2)[self.rank]

    def wait(self):
        self.memory["barrier"].wait()


def shared_memory(shape):
    size = Parameters(shape, shape.experts, 0).values.numel()
    context = multiprocessing.get_context("spawn")
    return {
        "values": torch.zeros(size).share_memory_(),
        "gradients": torch.zeros(2, size).share_memory_(),
        "sums": torch.zeros(2, shape.layers * (shape.experts + 1) + 2, dtype=torch.float64).share_memory_(),
        "barrier": context.Barrier(2, timeout=600),
    }


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def join_gloo(rank, port):
    """@param port  of rank 0 on loopback"""
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port), GLOO_SOCKET_IFNAME="lo", USE_LIBUV="0")
    dist.init_process_group("gloo", rank=rank, world_size=2)
