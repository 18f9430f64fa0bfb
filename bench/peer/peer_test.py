#!/usr/bin/env python3
"""Tests of the torch model: python bench/peer/peer_test.py

The written-out backward is compared with what autograd makes of a plain model; LapSum with vectors of
sixty digits.
"""

import json
import math
import pathlib
import sys
import unittest

import torch
import torch.nn.functional as F

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import kernels  # noqa: E402
import lapsum  # noqa: E402
from exchange import Here  # noqa: E402
from model import Model  # noqa: E402
from parameters import AdamW, Parameters, Shape  # noqa: E402
from router import Plan, Routing  # noqa: E402

VECTORS = pathlib.Path(__file__).resolve().parents[2] / "tests/data/lapsum_vectors.json"
TINY = Shape("tiny", 2, 24, 4, 2, 6, 8, 5, 4, 11, 2, 0.05, False)


def vectors(dtype):
    for case in json.loads(VECTORS.read_text())["cases"]:
        scores = torch.tensor([case["r"]], dtype=dtype)
        mass = torch.tensor([case["k"]], dtype=dtype)
        cotangent = torch.tensor([case["v"]], dtype=dtype)
        yield case, scores, mass, cotangent


class LapSum(unittest.TestCase):
    def check(self, dtype, p_tolerance, gradient_tolerance):
        for case, scores, mass, cotangent in vectors(dtype):
            with self.subTest(case["name"]), torch.enable_grad():
                scores.requires_grad_(True)
                mass.requires_grad_(True)
                p, _ = lapsum.LapSum.apply(scores, mass, case["alpha"])
                p.backward(cotangent)
                tolerance = gradient_tolerance * max(1, 1 / case["alpha"])
                self.assertLessEqual(float((p[0] - torch.tensor(case["p"])).abs().max()), p_tolerance)
                by_scores = scores.grad[0] - torch.tensor(case["grad_r"], dtype=dtype)
                self.assertLessEqual(float(by_scores.abs().max()), tolerance)
                self.assertLessEqual(abs(float(mass.grad) - case["grad_k"]), tolerance)

    def test_agrees_with_vectors_of_sixty_digits_in_double(self):
        torch.set_default_dtype(torch.float64)
        self.addCleanup(torch.set_default_dtype, torch.float32)
        self.check(torch.float64, 1e-12, 1e-12)

    def test_agrees_with_vectors_of_sixty_digits_in_float(self):
        self.check(torch.float32, 1e-5, 2e-5)

    def test_passes_gradcheck(self):
        generator = torch.Generator().manual_seed(3)
        for experts, mass, alpha in ((8, 2.0, 1.0), (16, 3.3, 0.3), (5, 0.4, 2.0)):
            scores = torch.randn(7, experts, generator=generator, dtype=torch.float64, requires_grad=True)
            k = torch.tensor([mass], dtype=torch.float64, requires_grad=True)
            with torch.enable_grad():
                self.assertTrue(torch.autograd.gradcheck(
                    lambda s, m: lapsum.LapSum.apply(s, m, alpha)[0], (scores, k), eps=1e-6, atol=1e-6))

    def test_gives_rows_together_what_it_gives_each_alone(self):
        scores = torch.randn(300, 16, generator=torch.Generator().manual_seed(5)) * torch.logspace(-2, 2, 300)[:, None]
        k = torch.tensor([2.5])
        together = lapsum.solve(scores, k, 1.0)
        mass = lapsum.probability(together, lapsum.density(together)).sum(-1)
        self.assertLess(float((mass - 2.5).abs().max()), 1e-5)
        alone = torch.cat([lapsum.solve(row, k, 1.0) for row in scores.split(1)])
        torch.testing.assert_close(together, alone, rtol=1e-5, atol=1e-5)

    def test_truncates_at_the_cut_with_a_floor_of_one_and_an_exact_cap(self):
        u = torch.tensor([[0.5, -3.0, 0.4, 0.1], [-5.0, -4.0, -6.0, -7.0], [1.0, 1.0, 1.0, 1.0]])
        chosen = lapsum.truncate(u, 0.2, 3)
        self.assertEqual(chosen.tolist(), [[True, False, True, False], [False, True, False, False], [True, True, True, False]])


class Dispatch(unittest.TestCase):
    def test_sums_for_every_token_what_a_loop_over_experts_sums(self):
        generator = torch.Generator().manual_seed(1)
        mask = torch.rand(40, 7, generator=generator) < 0.3
        mask[3], mask[:, 2] = False, False  # a token without experts, an expert without tokens
        gates, x = torch.rand(40, 7, generator=generator), torch.randn(40, 6, generator=generator)
        weights = torch.randn(7, 6, 6, generator=generator)

        plan = Plan(mask, gates)
        rows = x.index_select(0, plan.token).split(plan.counts.tolist())
        out = torch.cat([part @ weight for part, weight in zip(rows, weights)]) * plan.gate[:, None]

        expected = torch.zeros_like(x)
        for expert in range(7):
            expected += torch.where(mask[:, expert, None], gates[:, expert, None] * (x @ weights[expert]), 0.0)
        torch.testing.assert_close(plan.combine(out), expected, rtol=1e-5, atol=1e-5)
        self.assertEqual(plan.counts.tolist(), mask.sum(0).tolist())


class RoutingTest(unittest.TestCase):
    def test_weighs_experts_by_their_share_of_the_last_steps_rows(self):
        routing = Routing(TINY, "topk", TINY.tokens)

        routing.observe(torch.tensor([[10, 0, 20, 0, 30, 20, 5], [1, 1, 1, 1, 1, 1, 5]]))

        torch.testing.assert_close(routing.weights[0], 0.05 * 6 * torch.tensor([10, 0, 20, 0, 30, 20]) / 80)
        torch.testing.assert_close(routing.weights[1], torch.full((6,), 0.05))
        self.assertEqual(routing.rows_per_token, 86 / TINY.tokens)
        self.assertEqual(routing.shift, 0.0)
        # 6 * 30 / 80 in one layer, even in the other.
        self.assertAlmostEqual(routing.expert_skew, (2.25 + 1) / 2)

    def test_raises_the_cut_when_more_rows_run_than_the_budget_has(self):
        routing = Routing(TINY, "softmoe", TINY.tokens)

        routing.observe(torch.full((2, 7), TINY.tokens))

        self.assertGreater(routing.shift, 0)


def plain_norm(x, gain, epsilon):
    return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + epsilon) * gain


class PlainModel:
    """The model once more, as autograd likes it, an expert at a time over all tokens."""

    def __init__(self, shape, value, routing):
        self.shape, self.value, self.routing = shape, value, routing

    def loss(self, token, target):
        value, shape = self.value, self.shape
        means = 1 + (self.routing.budget - shape.layers) * torch.softmax(value["layer_means"], 0)
        x = value["embedding"][token]
        penalty = 0.0
        for layer in range(shape.layers):
            x = x + self.attention(layer, plain_norm(x, value[f"{layer}.attention_norm"], shape.norm_epsilon))
            y, more = self.experts(layer, plain_norm(x, value[f"{layer}.ffn_norm"], shape.norm_epsilon), means[layer : layer + 1])
            x, penalty = x + y, penalty + more
        logits = plain_norm(x, value["final_norm"], shape.norm_epsilon) @ value["embedding" if shape.tied else "output"].t()
        loss = F.cross_entropy(logits, target)
        return loss, loss + penalty

    def attention(self, layer, x):
        shape, size = self.shape, self.shape.head_size
        qkv = (x @ self.value[f"{layer}.qkv"].t()).view(-1, shape.positions, shape.heads + 2 * shape.kv_heads, size)
        position = torch.arange(shape.positions, dtype=x.dtype)
        angle = position[:, None] * shape.theta ** (-2 * torch.arange(size // 2, dtype=x.dtype) / size)
        turn = torch.polar(torch.ones_like(angle), angle)[:, None]
        half = torch.complex(qkv[..., : size // 2], qkv[..., size // 2 :])[:, :, : shape.heads + shape.kv_heads] * turn
        turned = torch.cat([half.real, half.imag], -1)
        out = []
        for head in range(shape.heads):
            shared = head * shape.kv_heads // shape.heads
            q, k, v = turned[:, :, head], turned[:, :, shape.heads + shared], qkv[:, :, shape.heads + shape.kv_heads + shared]
            scores = q @ k.transpose(1, 2) / math.sqrt(size)
            scores = scores.masked_fill(position[None, :] > position[:, None], float("-inf"))
            out.append(torch.softmax(scores, -1) @ v)
        return torch.stack(out, 2).reshape(x.shape[0], -1) @ self.value[f"{layer}.out"].t()

    def experts(self, layer, x, mass):
        value, shape = self.value, self.shape
        logits = x @ value[f"{layer}.router"].t()
        centred = logits - logits.mean(-1, keepdim=True)
        scores = plain_norm(centred, value[f"{layer}.gain"], shape.score_epsilon)
        if self.routing.kind == "topk":
            best, chosen = scores.topk(shape.experts_per_token, -1)
            gates = torch.zeros_like(scores).scatter(-1, chosen, torch.softmax(best, -1))
        else:
            p, u = lapsum.LapSum.apply(scores, mass, shape.temperature)
            gates = torch.where(lapsum.truncate(u.detach(), self.routing.cut, shape.experts), p, 0.0)
        y = 0.0
        for expert in range(shape.experts):
            left, right = (x @ value[f"{layer}.gate_up"][expert]).chunk(2, -1)
            y = y + gates[:, expert, None] * ((F.silu(left) * right) @ value[f"{layer}.down"][expert])
        return y, (torch.softmax(scores, -1) @ self.routing.weights[layer].to(x.dtype)).mean()


class ModelTest(unittest.TestCase):
    def setUp(self):
        generator = torch.Generator().manual_seed(2)
        shape = (TINY.sequences * TINY.positions,)
        self.token = torch.randint(0, TINY.vocabulary, shape, generator=generator)
        self.target = torch.randint(0, TINY.vocabulary, shape, generator=generator)

    def make(self, kind, shape=TINY, dtype=torch.float64):
        parameters = Parameters(shape, shape.experts, 7, dtype=dtype)
        routing = Routing(shape, kind, shape.tokens)
        routing.weights = [weight.to(dtype) * torch.linspace(0.5, 1.5, shape.experts) for weight in routing.weights]
        model = Model(shape, parameters, kernels.Kernels(False), routing, Here(), shape.tokens)
        return parameters, routing, model

    def check(self, kind, shape):
        parameters, routing, model = self.make(kind, shape)
        leaves = {name: value.clone().requires_grad_(True) for name, value in parameters.value.items()}
        with torch.enable_grad():
            plain, total = PlainModel(shape, leaves, routing).loss(self.token, self.target)
            total.backward()

        with torch.no_grad():
            loss, _ = model.loss_and_gradient(self.token, self.target)

        self.assertAlmostEqual(loss, float(plain), places=10)
        for name, leaf in leaves.items():
            expected = leaf.grad if leaf.grad is not None else torch.zeros_like(leaf)
            torch.testing.assert_close(parameters.gradient[name], expected, rtol=1e-7, atol=1e-10, msg=lambda text: f"{name}: {text}")

    def test_has_the_loss_and_gradients_of_autograd_with_top_k(self):
        self.check("topk", TINY)

    def test_has_the_loss_and_gradients_of_autograd_with_lapsum(self):
        self.check("softmoe", TINY)

    def test_has_the_gradients_of_one_table_for_embedding_and_output(self):
        self.check("topk", Shape(**{**TINY.__dict__, "tied": True}))

    @torch.no_grad()
    def test_learns_and_holds_its_budget(self):
        parameters, routing, model = self.make("softmoe", dtype=torch.float32)
        optimizer = AdamW(parameters, 0, parameters.values.numel(), rate=1e-2, warmup=1)
        losses, rows = [], []
        for _ in range(40):
            loss, counts = model.loss_and_gradient(self.token, self.target)
            optimizer.update(optimizer.sum_squares())
            routing.observe(counts)
            losses.append(loss)
            rows.append(routing.rows_per_token)

        self.assertLess(losses[-1], 0.7 * losses[0])
        self.assertAlmostEqual(sum(rows[20:]) / 20, routing.budget, delta=0.1 * routing.budget)

    @torch.no_grad()
    def test_one_step_lowers_the_loss(self):
        for kind in ("topk", "softmoe"):
            parameters, _, model = self.make(kind, dtype=torch.float32)
            optimizer = AdamW(parameters, 0, parameters.values.numel(), rate=1e-3, warmup=1)
            before, _ = model.loss_and_gradient(self.token, self.target)
            optimizer.update(optimizer.sum_squares())
            after, _ = model.loss_and_gradient(self.token, self.target)
            self.assertLess(after, before)


if __name__ == "__main__":
    torch.set_num_threads(1)
    unittest.main()
