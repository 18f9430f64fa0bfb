"""Routing and budget: what each layer learned, what was run, what holds the total, and how soft the choice still is."""

from source.frame import dashboard as framed
from source.panels import Json, Panel, Query, row, stat, timeseries

LAYER_SERIES = "layer {{layer}}"


def _by_layer(
    title: str,
    description: str,
    family: str,
    unit: str,
    *,
    low: float | None = None,
    high: float | None = None,
    width: int = 8,
) -> Panel:
    return timeseries(
        title,
        description,
        [Query(f"max by (layer) ({family}{{<run>}})", LAYER_SERIES)],
        unit,
        low=low,
        high=high,
        width=width,
    )


def _now() -> list[Panel]:
    return [
        row("Budget"),
        stat(
            "Budget",
            "Expert executions per token over all layers, weighted by layer costs.",
            [Query("max(softmoe_budget_target_experts{<run>})")],
            "none",
            decimals=2,
        ),
        stat(
            "Used",
            "What the last step executed, in the same unit.",
            [Query("max(softmoe_budget_used_experts{<run>})")],
            "none",
            decimals=2,
        ),
        stat(
            "Used over budget",
            "Last step. The servo holds the mean, so single steps lie on both sides of 100 %; a quota is exact.",
            [Query("max(softmoe_budget_used_ratio{<run>})")],
            "percentunit",
            decimals=1,
            steps=[(None, "blue"), (0.95, "green"), (1.05, "red")],
        ),
        stat(
            "Held by",
            "servo: one shift of all layers' thresholds; quota: an exact number of rows; off: nobody.",
            [Query("max by (mode) (softmoe_budget_mode{<run>}) == 1", "{{mode}}")],
            "none",
            names=True,
        ),
        stat("Revision", "Of the set-points in force.", [Query("max(softmoe_budget_revision{<run>})")], "none"),
        stat(
            "Lambda",
            "Shift of the truncation surface, in units of alpha: the price of compute.",
            [Query("max(softmoe_budget_lambda{<run>})")],
            "none",
            decimals=3,
        ),
        stat(
            "Alpha", "Temperature of the soft top-k.", [Query("max(softmoe_router_alpha{<run>})")], "none", decimals=3
        ),
        stat(
            "Steps above 105 %, last hour",
            "Steps that used more than 5 % above the target.",
            [Query("sum(increase(softmoe_budget_violations_total{<run>}[1h]))")],
            "none",
            decimals=0,
        ),
        timeseries(
            "Budget and what was used",
            "Expert executions per token over all layers, weighted by layer costs.",
            [
                Query("max(softmoe_budget_target_experts{<run>})", "budget"),
                Query("max(softmoe_budget_used_experts{<run>})", "used"),
            ],
            "none",
            decimals=2,
            dashed="budget",
            width=12,
        ),
        timeseries(
            "Used over budget",
            "Last step, and the mean of the last ten minutes.",
            [
                Query("max(softmoe_budget_used_ratio{<run>})", "step"),
                Query("max(avg_over_time(softmoe_budget_used_ratio{<run>}[10m]))", "10 minutes"),
            ],
            "percentunit",
            decimals=1,
            lines=[(None, "transparent"), (1.05, "red")],
            width=12,
        ),
        timeseries(
            "Lambda",
            "Rises when the layers would run more than the budget.",
            [Query("max(softmoe_budget_lambda{<run>})", "lambda")],
            "none",
        ),
        timeseries(
            "Alpha",
            "Falls as the choice is to become hard.",
            [Query("max(softmoe_router_alpha{<run>})", "alpha")],
            "none",
            low=0,
        ),
        timeseries(
            "Error over the coordinator's window",
            "Mean and root mean square of (used - budget) / budget over `coordinator.window_steps`.",
            [
                Query("max(softmoe_coordinator_budget_window_error_ratio{<run>})", "mean"),
                Query("max(softmoe_coordinator_budget_window_rms_ratio{<run>})", "rms"),
            ],
            "percentunit",
            decimals=2,
        ),
    ]


def _layers() -> list[Panel]:
    return [
        row("Experts per layer"),
        _by_layer(
            "Learned experts by layer",
            "Learned mean number of experts, as soft mass.",
            "softmoe_layer_k_target",
            "none",
            low=0,
            width=12,
        ),
        _by_layer(
            "Realised experts by layer",
            "Experts run per token, last step.",
            "softmoe_layer_k_realised",
            "none",
            low=0,
            width=12,
        ),
        timeseries(
            "Layer $layer: learned and realised",
            "The chosen layer alone. Realised is less than learned where soft mass lies below the truncation.",
            [
                Query("max(softmoe_layer_k_target{<layer>})", "learned"),
                Query("max(softmoe_layer_k_realised{<layer>})", "realised"),
            ],
            "none",
            dashed="learned",
        ),
        timeseries(
            "Layer $layer: experts run, over tokens",
            "Quantiles over the tokens of the last step; 1 is the largest number. 32 stands for all above.",
            [Query("max by (q) (softmoe_layer_k_realised_quantile{<layer>})", "quantile {{q}}")],
            "none",
            low=0,
        ),
        timeseries(
            "Expert executions by layer",
            "(token, expert) pairs per second.",
            [Query("sum by (layer) (rate(softmoe_layer_rows_total{<run>}[$__rate_interval]))", LAYER_SERIES)],
            "short",
            stacked=True,
            low=0,
        ),
    ]


def _softness() -> list[Panel]:
    return [
        row("From soft to hard"),
        _by_layer(
            "Soft share of the decision",
            "Boundary mass over k: 0 when every expert is chosen or not, without a between.",
            "softmoe_router_boundary_mass_ratio",
            "percentunit",
            low=0,
        ),
        _by_layer(
            "Boundary mass",
            "Sum over experts of min(p, 1 - p), per token.",
            "softmoe_router_boundary_mass",
            "none",
            low=0,
        ),
        _by_layer(
            "Boundary density",
            "Experts per token that one unit of lambda would move: the gain of the budget's loop.",
            "softmoe_router_boundary_density",
            "none",
            low=0,
        ),
        timeseries(
            "Decision margin, median",
            "Distance of the nearest expert from the threshold, in units of alpha, by layer.",
            [Query('max by (layer) (softmoe_router_margin{<run>, q="0.5"})', LAYER_SERIES)],
            "none",
            low=0,
        ),
        timeseries(
            "Decision margin, lowest tenth",
            "The tokens that would change their experts first.",
            [Query('max by (layer) (softmoe_router_margin{<run>, q="0.1"})', LAYER_SERIES)],
            "none",
            low=0,
        ),
        timeseries(
            "Layer $layer: decision margins",
            "Quantiles over tokens, in units of alpha.",
            [Query("max by (q) (softmoe_router_margin{<layer>})", "quantile {{q}}")],
            "none",
            low=0,
        ),
    ]


def _gates() -> list[Panel]:
    return [
        row("Gates and limits"),
        _by_layer("Sum of a token's gates", "Mean over tokens.", "softmoe_router_gate_mass", "none", low=0),
        _by_layer(
            "Dropped mass", "Soft mass below the truncation, per token.", "softmoe_router_dropped_mass", "none", low=0
        ),
        _by_layer("Spread of scores", "Root mean square of centred scores.", "softmoe_router_score_std", "none", low=0),
        _by_layer(
            "Entropy of the scores",
            "Of their softmax, over ln E: 1 when all experts look alike.",
            "softmoe_router_entropy_ratio",
            "percentunit",
            low=0,
            high=1,
        ),
        _by_layer(
            "Held by the floor",
            "Share of tokens that ran an expert only because each must run one.",
            "softmoe_router_floor_ratio",
            "percentunit",
            low=0,
        ),
        _by_layer(
            "Cut by the cap",
            "Share of tokens that wanted more experts than they may run.",
            "softmoe_router_cap_ratio",
            "percentunit",
            low=0,
        ),
    ]


def dashboard() -> Json:
    return framed(
        "softmoe-routing-and-budget",
        "softmoe: routing and budget",
        "How many experts each layer learned to run and did run, what holds the total, and how soft the choice still is. Needs metrics.expert_detail: off or more.",
        _now() + _layers() + _softness() + _gates(),
    )
