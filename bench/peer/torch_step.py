#!/usr/bin/env python3
"""Steps of the torch model; one JSON object a measured run.

    python torch_step.py --shape demo --routing softmoe --layout shared --compile

With --serve a run is made for every line on standard input, "WARMUP STEPS", so that a comparison can
interleave processes that are warm; an empty line ends it.
"""

import argparse
import json
import statistics
import sys
import time


def parse():
    parser = argparse.ArgumentParser(description="Steps of the torch model")
    parser.add_argument("--shape", choices=["demo", "eight", "sixty_four"], default="demo")
    parser.add_argument("--routing", choices=["topk", "softmoe"], default="topk")
    parser.add_argument("--layout", choices=["threads", "experts", "shared"], default="threads")
    parser.add_argument("--threads", type=int, default=2, help="of the layout threads; the others have one a process")
    parser.add_argument("--compile", action="store_true", help="fuse elementwise passes by torch.compile")
    parser.add_argument("--warmup", type=int, default=3)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--serve", action="store_true")
    parser.add_argument("--profile", action="store_true", help="the operators of rank 0 on standard error")
    return parser.parse_args()


def batches(torch, shape, seed, count=8):
    """Zipf tokens: the token of rank r has a share of about 1 / r."""
    generator = torch.Generator().manual_seed(seed)
    weights = 1 / torch.arange(1, shape.vocabulary + 1, dtype=torch.float64)
    made = []
    for _ in range(count):
        drawn = torch.multinomial(weights, shape.sequences * (shape.positions + 1), True, generator=generator)
        drawn = drawn.view(shape.sequences, shape.positions + 1)
        made.append((drawn[:, :-1].reshape(-1), drawn[:, 1:].reshape(-1)))
    return made


class Run:
    """The measured steps of one rank."""

    def __init__(self, torch, arguments, trainer):
        self._torch, self._arguments, self._trainer = torch, arguments, trainer
        self._data = [tuple(trainer.part(side) for side in pair)
                      for pair in batches(torch, trainer.shape, arguments.seed)]
        self._next = 0

    def _step(self):
        token, target = self._data[self._next % len(self._data)]
        self._next += 1
        return self._trainer.step(token, target)

    def measure(self, warmup, steps):
        for _ in range(warmup):
            self._step()
        seconds, cpu, rows, skews, losses = [], [], [], [], []
        for _ in range(steps):
            self._trainer.wait()
            begin, cpu_begin = time.perf_counter(), time.process_time()
            losses.append(self._step())
            seconds.append(time.perf_counter() - begin)
            cpu.append(time.process_time() - cpu_begin)
            rows.append(self._trainer.routing.rows_per_token)
            skews.append(self._trainer.routing.expert_skew)
        shape, a = self._trainer.shape, self._arguments
        median = statistics.median(seconds)
        return {
            "program": "torch_step", "torch": self._torch.__version__, "shape": a.shape, "routing": a.routing,
            "layout": a.layout, "compiled": a.compile, "steps": steps, "tokens_per_step": shape.tokens,
            "step_seconds_median": median, "step_seconds_min": min(seconds),
            "tokens_per_second": shape.tokens / median, "rows_per_token": statistics.fmean(rows),
            "expert_skew": statistics.median(skews),
            "cpu_seconds_median_rank_0": statistics.median(cpu), "loss_first": losses[0], "loss_last": losses[-1],
        }

    def profile(self):
        with self._torch.profiler.profile(activities=[self._torch.profiler.ProfilerActivity.CPU]) as profiler:
            for _ in range(3):
                self._step()
        print(profiler.key_averages().table(sort_by="self_cpu_time_total", row_limit=40), file=sys.stderr)


def serve(arguments, run, rank, orders):
    """Rank 0 reads the orders and hands them to the other."""
    if not arguments.serve:
        made = run.measure(arguments.warmup, arguments.steps)
        if rank == 0:
            print(json.dumps(made), flush=True)
        return
    while True:
        if rank == 0:
            words = sys.stdin.readline().split()
            if orders:
                orders.put(words)
        else:
            words = orders.get()
        if len(words) != 2:
            return
        made = run.measure(int(words[0]), int(words[1]))
        if rank == 0:
            print(json.dumps(made), flush=True)


def rank_main(rank, arguments, shared, orders):
    import torch

    import layouts
    from parameters import SHAPES

    torch.set_grad_enabled(False)
    torch.set_num_threads(arguments.threads if arguments.layout == "threads" else 1)
    common = (SHAPES[arguments.shape], arguments.routing, arguments.compile, arguments.seed)
    if arguments.layout == "threads":
        trainer = layouts.Trainer(*common)
    elif arguments.layout == "experts":
        layouts.join_gloo(rank, shared)
        trainer = layouts.ExpertTrainer(*common, rank)
    else:
        trainer = layouts.SharedTrainer(*common, rank, shared)
    run = Run(torch, arguments, trainer)
    serve(arguments, run, rank, orders)
    if arguments.profile and rank == 0 and arguments.layout == "threads":
        run.profile()


def main():
    arguments = parse()
    if arguments.layout == "threads":
        rank_main(0, arguments, None, None)
        return
    import torch.multiprocessing as multiprocessing

    import layouts
    from parameters import SHAPES

    context = multiprocessing.get_context("spawn")
    shared = layouts.free_port() if arguments.layout == "experts" else layouts.shared_memory(SHAPES[arguments.shape])
    orders = context.Queue()
    other = context.Process(target=rank_main, args=(1, arguments, shared, orders), daemon=True)
    other.start()
    rank_main(0, arguments, shared, orders)
    other.join(60)


if __name__ == "__main__":
    main()
