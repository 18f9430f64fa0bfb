"""Expert usage: which experts work, which are dead, and what the imbalance costs the ranks."""

from source.frame import dashboard as framed
from source.panels import Json, Panel, Query, heatmap, row, stat, table, timeseries

LAYER_SERIES = "layer {{layer}}"
SUMMARY = "Needs metrics.expert_detail: summary or more."
BUCKETS = "Needs metrics.expert_detail: buckets or more."
TOPK = "Needs metrics.expert_detail: topk or more."
FULL = "Needs metrics.expert_detail: full."
DETAIL = "softmoe_metrics_detail_level{<run>}"


def _now() -> list[Panel]:
    level = " or ".join(
        f'label_replace(max({DETAIL}) == {number}, "level", "{name}", "", "")'
        for number, name in enumerate(("off", "summary", "buckets", "topk", "full"))
    )
    return [
        row("All layers"),
        stat(
            "Level of detail",
            "metrics.expert_detail in force. It is lower than asked for where the page would have grown above metrics.max_series.",
            [Query(level, "{{level}}")],
            "none",
            names=True,
            width=4,
        ),
        stat(
            "Worst layer",
            f"Fullest expert over the mean, largest of the layers. {SUMMARY}",
            [Query("max(softmoe_layer_load_imbalance_ratio{<run>})")],
            "none",
            decimals=2,
            steps=[(None, "green"), (1.5, "orange"), (2, "red")],
            width=5,
        ),
        stat(
            "Worst rank imbalance",
            f"Fullest rank's rows over the mean rank's, largest of the layers: what costs time. {SUMMARY}",
            [Query("max(softmoe_rank_load_imbalance_ratio{<run>})")],
            "none",
            decimals=2,
            steps=[(None, "green"), (1.25, "orange"), (1.5, "red")],
            width=5,
        ),
        stat(
            "Dead experts",
            f"Experts of all layers that ran no token. {SUMMARY}",
            [Query("sum(max by (layer) (softmoe_layer_dead_experts{<run>}))")],
            "none",
            steps=[(None, "green"), (1, "red")],
            width=5,
        ),
        stat(
            "Rows that leave their rank",
            "Share of the rows sent in forward passes whose expert lives on another rank.",
            [
                Query(
                    'sum(rate(softmoe_alltoall_rows_total{<run>, direction="sent", scope="off_rank"}[$__rate_interval]))'
                    ' / sum(rate(softmoe_alltoall_rows_total{<run>, direction="sent", scope="all"}[$__rate_interval]))'
                )
            ],
            "percentunit",
            width=5,
        ),
        heatmap(
            "Imbalance by layer",
            f"Time to the right, layers upwards; colour: fullest expert's rows over the mean, 1 is balanced. {SUMMARY}",
            Query("max by (layer) (softmoe_layer_load_imbalance_ratio{<run>})", "{{layer}}"),
            least=1,
            most=4,
        ),
        heatmap(
            "Load of layer $layer: how many experts at which load",
            f"Time to the right, load over the layer's mean upwards; colour: observations of experts in the bucket. {BUCKETS}",
            Query(
                "sum by (le) (increase(softmoe_layer_expert_load_ratio_bucket{<layer>}[$__rate_interval]))", "{{le}}"
            ),
            buckets=True,
        ),
    ]


def _by_layer(
    title: str, description: str, family: str, unit: str, *, low: float | None = None, high: float | None = None
) -> Panel:
    return timeseries(
        title,
        f"{description} {SUMMARY}",
        [Query(f"max by (layer) ({family}{{<run>}})", LAYER_SERIES)],
        unit,
        low=low,
        high=high,
    )


def _figures() -> list[Panel]:
    return [
        row("Figures of the load"),
        _by_layer(
            "Imbalance", "Fullest expert's rows over the mean.", "softmoe_layer_load_imbalance_ratio", "none", low=1
        ),
        _by_layer(
            "Deviation",
            "Standard deviation of the experts' rows over the mean.",
            "softmoe_layer_load_cv_ratio",
            "none",
            low=0,
        ),
        _by_layer("Dead experts", "Experts that ran no token.", "softmoe_layer_dead_experts", "none", low=0),
        _by_layer(
            "Entropy",
            "Of the load, over ln E: 1 is balanced.",
            "softmoe_layer_load_entropy_ratio",
            "percentunit",
            high=1,
        ),
        _by_layer(
            "Gini coefficient",
            "0 is balanced, near 1 a single expert has all.",
            "softmoe_layer_load_gini_ratio",
            "none",
            low=0,
        ),
        _by_layer(
            "Imbalance of ranks",
            "Fullest rank's rows over the mean rank's.",
            "softmoe_rank_load_imbalance_ratio",
            "none",
            low=1,
        ),
        timeseries(
            "Rows received by rank",
            "Rows per second that the experts of a rank run in forward passes, all layers.",
            [
                Query(
                    'sum by (rank) (rate(softmoe_alltoall_rows_total{<run>, direction="received", scope="all"}[$__rate_interval]))',
                    "rank {{rank}}",
                )
            ],
            "short",
            low=0,
            width=12,
        ),
        timeseries(
            "Fullest rank over the mean rank",
            "Of the rows received, all layers together: imbalances of single layers may cancel here, but each costs its own wait.",
            [
                Query(
                    'max(sum by (rank) (rate(softmoe_alltoall_rows_total{<run>, direction="received", scope="all"}[$__rate_interval])))'
                    ' / avg(sum by (rank) (rate(softmoe_alltoall_rows_total{<run>, direction="received", scope="all"}[$__rate_interval])))',
                    "fullest over mean",
                )
            ],
            "none",
            low=1,
            width=12,
        ),
        timeseries(
            "Receive waves",
            "Waves per second of layers whose rows did not fit parallel.max_received_rows at once: such a layer dispatches twice. 0: none had to.",
            [
                Query(
                    "sum by (rank) (rate(softmoe_receive_waves_total{<run>}[$__rate_interval]))",
                    "rank {{rank}}",
                )
            ],
            "short",
            low=0,
            width=24,
        ),
    ]


def _slots(side: str) -> list[Query]:
    return [
        Query(f"max by (layer, slot) (softmoe_layer_expert_{side}_load_ratio{{<run>}})"),
        Query(f"max by (layer, slot) (softmoe_layer_expert_{side}_index{{<run>}})"),
    ]


def _tidy(names: dict[str, str]) -> list[Json]:
    return [
        {"id": "merge", "options": {}},
        {"id": "organize", "options": {"excludeByName": {"Time": True}, "indexByName": {}, "renameByName": names}},
    ]


def _experts() -> list[Panel]:
    slot_names = {"layer": "Layer", "slot": "Place", "Value #A": "Load", "Value #B": "Expert"}
    names = {"layer": "Layer", "expert": "Expert", "Value": "Load"}
    matrix: list[Json] = [
        {"id": "groupingToMatrix", "options": {"rowField": "layer", "columnField": "expert", "valueField": "Value"}}
    ]
    return [
        row("Single experts"),
        heatmap(
            "Experts of layer $layer",
            f"Time to the right, experts upwards; colour: load over the layer's mean, 1 is fair, 0 is dead. {FULL}",
            Query("max by (expert) (softmoe_expert_load_ratio{<layer>})", "{{expert}}"),
            least=0,
            most=3,
            height=14,
        ),
        timeseries(
            "Experts of layer $layer: the ends",
            f"Largest and smallest load over the mean. {FULL}",
            [
                Query("max(softmoe_expert_load_ratio{<layer>})", "largest"),
                Query("quantile(0.5, softmoe_expert_load_ratio{<layer>})", "median"),
                Query("min(softmoe_expert_load_ratio{<layer>})", "smallest"),
            ],
            "none",
            low=0,
            width=12,
        ),
        table(
            "Layers and experts now",
            f"A row per layer, a column per expert, the load over the layer's mean. Made for at most 64 experts. {FULL}",
            [Query("max by (layer, expert) (softmoe_expert_load_ratio{<run>})")],
            "none",
            transformations=matrix,
            colored="^[0-9]+$",
            width=24,
        ),
        table(
            "Hottest experts",
            f"The twenty largest loads over their layer's mean. {FULL}",
            [Query("topk(20, max by (layer, expert) (softmoe_expert_load_ratio{<run>}))")],
            "none",
            transformations=_tidy(names),
            colored="Load",
            width=6,
        ),
        table(
            "Coldest experts",
            f"The twenty smallest loads over their layer's mean. {FULL}",
            [Query("bottomk(20, max by (layer, expert) (softmoe_expert_load_ratio{<run>}))")],
            "none",
            transformations=_tidy(names),
            colored="Load",
            width=6,
        ),
        table(
            "Hottest of each layer",
            f"The largest loads of each layer, place 1 the largest, and which experts those are. {TOPK}",
            _slots("hot"),
            "none",
            transformations=_tidy(slot_names),
            colored="Load",
            width=6,
        ),
        table(
            "Coldest of each layer",
            f"The smallest loads of each layer, place 1 the smallest, and which experts those are. {TOPK}",
            _slots("cold"),
            "none",
            transformations=_tidy(slot_names),
            colored="Load",
            width=6,
        ),
    ]


def dashboard() -> Json:
    return framed(
        "softmoe-expert-usage",
        "softmoe: expert usage",
        "Which experts work, which are dead, and what the imbalance costs the ranks. A panel says which level of metrics.expert_detail it needs.",
        _now() + _figures() + _experts(),
    )
