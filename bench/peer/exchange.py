"""How rows reach their experts: not at all, or by all-to-all between two processes.

Letters: N rows sent, M received, E experts, e experts of a rank, P ranks.
"""

import torch
import torch.distributed as dist


class Journey:
    """@param counts  rows of each expert here"""

    def __init__(self, counts):
        self.counts = counts


class Here:
    """All experts live in this process."""

    def plan(self, plan):
        return Journey(plan.counts.tolist())

    def send(self, journey, rows):
        return rows

    def send_back(self, journey, rows):
        return rows


class AllToAll:
    """Experts are shared out over the ranks of torch.distributed, neighbours together."""

    def __init__(self, experts):
        self.ranks = dist.get_world_size()
        self.experts_here = experts // self.ranks

    def plan(self, plan):
        received = torch.empty_like(plan.counts)
        dist.all_to_all_single(received, plan.counts)
        received = received.view(self.ranks, self.experts_here)
        journey = Journey(received.sum(0).tolist())
        journey.sent = plan.counts.view(self.ranks, -1).sum(1).tolist()
        journey.received = received.sum(1).tolist()
        # Rows arrive by (source, expert) and are worked on by (expert, source).
        expert = torch.arange(self.experts_here).repeat(self.ranks).repeat_interleave(received.reshape(-1))
        journey.order = expert.argsort(stable=True)
        journey.arrival = torch.empty_like(journey.order)
        journey.arrival[journey.order] = torch.arange(journey.order.numel())
        return journey

    def send(self, journey, rows):
        arrived = rows.new_empty(sum(journey.received), *rows.shape[1:])
        dist.all_to_all_single(arrived, rows.contiguous(), journey.received, journey.sent)
        return arrived.index_select(0, journey.order)

    def send_back(self, journey, rows):
        returned = rows.new_empty(sum(journey.sent), *rows.shape[1:])
        dist.all_to_all_single(returned, rows.index_select(0, journey.arrival), journey.sent, journey.received)
        return returned
