#!/usr/bin/env python3
"""softmoe against torch: the same model, the same cores, interleaved pairs.

    python3 bench/peer/compare.py [--quick] [--json FILE]      after bench/peer/install and ./dev build

First every torch finds its best layout (layouts.py) for every shape, by measurement. Then pairs: our step
in both layouts and each torch in its best one, in alternating order. A process of torch stays warm
between pairs; ours starts anew, and has its own warm-up. Standard library only.
"""

import argparse
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import time

import torches

PEER = pathlib.Path(__file__).resolve().parent
LAYOUTS = ("threads", "shared", "experts")
SHAPES = ("demo", "eight", "sixty_four")
ROUTINGS = ("topk", "softmoe")
SERVO_STEPS = 20  # after which the rows of LapSum stand at the budget
MPIRUN = ["mpirun", "-n", "2", "--oversubscribe", "--bind-to", "none", "--mca", "pml", "ob1",
          "--mca", "btl", "self,vader", "--mca", "btl_vader_single_copy_mechanism", "none",
          "--mca", "mpi_yield_when_idle", "1"]


def parse():
    parser = argparse.ArgumentParser(description="softmoe against torch")
    parser.add_argument("--quick", action="store_true", help="the demo's shape alone, one pair: about 3 minutes")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--steps", type=int, default=8, help="measured in a pair on each side")
    parser.add_argument("--shape", choices=SHAPES, action="append", help="these alone; may be repeated")
    parser.add_argument("--json", type=pathlib.Path, default=torches.BUILD / "peer.json")
    parser.add_argument("--train-step", default=str(torches.BUILD / "release/bench/train_step"))
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.pairs, arguments.steps = 1, 4
    arguments.shape = arguments.shape or (["demo"] if arguments.quick else list(SHAPES))
    return arguments


class Peer:
    """A process of torch that runs measured steps on demand."""

    def __init__(self, torch, shape, routing, layout):
        command = [torch.python, "-W", "ignore", str(PEER / "torch_step.py"), "--serve",
                   "--shape", shape, "--routing", routing, "--layout", layout]
        if torch.can_compile:
            command.append("--compile")
        self._errors = open(torches.BUILD / "peer-errors.log", "a", encoding="utf-8")
        self._process = subprocess.Popen(
            command, env={**os.environ, **torch.environment}, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=self._errors, text=True)

    def measure(self, warmup, steps):
        self._process.stdin.write(f"{warmup} {steps}\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"torch ended; see {self._errors.name}")
        return json.loads(line)

    def close(self):
        self._process.stdin.close()
        try:
            self._process.wait(60)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        self._errors.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def sequences_of(shape):
    """Sequences of a step, by the file that our side reads."""
    text = (PEER.parent / "shapes" / f"{shape}.yaml").read_text(encoding="utf-8")

    def number(key):
        return int(re.search(rf"^ *{key}: *(\d+)", text, re.MULTILINE)[1])

    return number("lanes") * number("lane_sequences")


def ours(arguments, shape, routing, ranks):
    """Our step, 2 / ranks threads a rank, each rank's share one lane, with its ceiling measured beside it."""
    root = ["--allow-run-as-root"] if os.geteuid() == 0 else []
    prefix = [] if ranks == 1 else MPIRUN[:1] + root + MPIRUN[1:]
    warmup = SERVO_STEPS if routing == "softmoe" else 5
    command = prefix + [arguments.train_step, "--shape", shape, "--routing", routing, "--warmup", str(warmup),
                        "--steps", str(arguments.steps), "--ceiling", "--json", f"runtime.threads={2 // ranks}",
                        f"training.lanes={ranks}", f"training.lane_sequences={sequences_of(shape) // ranks}"]
    made = subprocess.run(command, capture_output=True, text=True, check=False)
    if made.returncode != 0:
        sys.exit(f"{' '.join(command)}\nended with {made.returncode}: {made.stderr.strip()}")
    return json.loads(made.stdout.strip().splitlines()[-1])


def best_layouts(arguments, found):
    """{(torch, shape): (layout, {layout: tokens a second})}."""
    best = {}
    for shape in arguments.shape:
        for torch in found:
            speeds = {}
            for layout in LAYOUTS:
                with Peer(torch, shape, "topk", layout) as peer:
                    speeds[layout] = peer.measure(3, max(5, arguments.steps))["tokens_per_second"]
            best[torch.name, shape] = (max(speeds, key=speeds.get), speeds)
            print(f"{shape:11s} torch of {torch.name:7s}"
                  + "".join(f"  {layout} {speed:8.0f}" for layout, speed in speeds.items()), flush=True)
    return best


def measure_pairs(arguments, found, best, shape, routing):
    """One dictionary a pair: name of a side -> its result."""
    peers = {}
    try:
        for torch in found:
            peers[torch.name] = Peer(torch, shape, routing, best[torch.name, shape][0])
            peers[torch.name].measure(SERVO_STEPS if routing == "softmoe" else 3, 1)
        sides = [("ours 1x2", lambda: ours(arguments, shape, routing, 1)),
                 ("ours 2x1", lambda: ours(arguments, shape, routing, 2))]
        sides += [(name, lambda peer=peer: peer.measure(1, arguments.steps)) for name, peer in peers.items()]
        pairs = []
        for pair in range(arguments.pairs):
            order = sides if pair % 2 == 0 else sides[::-1]
            pairs.append({name: run() for name, run in order})
        return pairs
    finally:
        for peer in peers.values():
            peer.close()


def median_of(pairs, side, key):
    return statistics.median(pair[side][key] for pair in pairs)


def ratios(pairs, side, other):
    return sorted(pair[side]["tokens_per_second"] / pair[other]["tokens_per_second"] for pair in pairs)


def verdict(ratio):
    return "none (under 5 %)" if abs(ratio - 1) < 0.05 else f"{ratio:.2f}"


def report(shape, routing, pairs, found, best):
    """Prints a table; returns best against best: its ratio, spread and both sides."""
    print(f"\n{shape}, {routing}: tokens a second, rows a token, fullest expert over mean, medians of {len(pairs)} pairs")
    mine = max(("ours 1x2", "ours 2x1"), key=lambda side: median_of(pairs, side, "tokens_per_second"))
    theirs = max((torch.name for torch in found), key=lambda side: median_of(pairs, side, "tokens_per_second"))
    for side in ("ours 1x2", "ours 2x1"):
        line = (f"  {side:26s} {median_of(pairs, side, 'tokens_per_second'):9.0f}"
                f"   {median_of(pairs, side, 'rows_per_token'):7.3f}   {median_of(pairs, side, 'expert_skew'):5.2f}")
        if "ceiling_seconds_median" in pairs[0][side]:
            ceiling = statistics.median(
                pair[side]["tokens_per_step"] / pair[side]["ceiling_seconds_median"] for pair in pairs)
            line += f"   ceiling {ceiling:9.0f}, {ceiling / median_of(pairs, theirs, 'tokens_per_second'):.2f} x torch"
        print(line)
    for torch in found:
        name = f"torch {pairs[0][torch.name]['torch']} {best[torch.name, shape][0]}"
        print(f"  {name:26s} {median_of(pairs, torch.name, 'tokens_per_second'):9.0f}"
              f"   {median_of(pairs, torch.name, 'rows_per_token'):7.3f}   {median_of(pairs, torch.name, 'expert_skew'):5.2f}")
    for title, side in (("best / best", mine), ("one process / torch", "ours 1x2"), ("two processes / torch", "ours 2x1")):
        spread = ratios(pairs, side, theirs)
        middle = statistics.median(spread)
        print(f"  {title:26s} {verdict(middle)}   ({spread[0]:.2f} to {spread[-1]:.2f})")
    spread = ratios(pairs, mine, theirs)
    return {"shape": shape, "routing": routing, "ours": mine, "torch": theirs, "ratio": statistics.median(spread),
            "least": spread[0], "largest": spread[-1]}


def main():
    arguments = parse()
    begin = time.monotonic()
    found = torches.find()
    if not found:
        sys.exit("no torch under build/: run bench/peer/install; it needs PyPI or Debian's archive")
    if not pathlib.Path(arguments.train_step).exists():
        sys.exit(f"{arguments.train_step} is not built: cmake --build build/release --target train_step")
    for torch in found:
        print(f"torch of {torch.name}: {torch.description}{', compiled' if torch.can_compile else ''}")
    print("both sides in fp32 on two cores; layouts of torch by tokens a second (bench/peer/layouts.py):")
    best = best_layouts(arguments, found)
    results, summary = [], {}
    for shape in arguments.shape:
        for routing in ROUTINGS:
            pairs = measure_pairs(arguments, found, best, shape, routing)
            made = report(shape, routing, pairs, found, best)
            summary[shape, routing] = made
            results.append({**made, "pairs": pairs})
    arguments.json.parent.mkdir(parents=True, exist_ok=True)
    arguments.json.write_text(json.dumps({
        "torches": {torch.name: torch.description for torch in found},
        "layouts": [{"torch": name, "shape": shape, "best": layout, "tokens_per_second": speeds}
                    for (name, shape), (layout, speeds) in best.items()],
        "results": results}, indent=1))
    print(f"\nDifferences under 5 % are called none. {time.monotonic() - begin:.0f} s; figures: {arguments.json}")
    shape = "demo" if "demo" in arguments.shape else arguments.shape[0]
    if shape != "demo":
        print(f"The demo was not asked for; the ratio is of {shape}.")
    print(f"ratio top2={summary[shape, 'topk']['ratio']:.2f} softmoe={summary[shape, 'softmoe']['ratio']:.2f}")


if __name__ == "__main__":
    main()
