"""Run health: is the run alive, does it learn, where does the time go, who is slow, what does the coordinator say."""

from source.frame import dashboard as framed
from source.panels import Json, Panel, Query, row, stat, table, timeseries
from source.processes import PER_STEP, STEPS, coordinator, exchange, scraping, stragglers

INFORMATION = "version, backend, precision, world_size, expert_parallel, layers, experts, config_hash"


def _now() -> list[Panel]:
    return [
        row("Now"),
        stat(
            "State",
            "What the run is doing.",
            [Query("max by (state) (softmoe_train_state{<run>}) == 1", "{{state}}")],
            "none",
            names=True,
        ),
        stat("Step", "Last completed optimizer step.", [Query("max(softmoe_train_step{<run>})")], "none", decimals=0),
        stat(
            "Progress",
            "Completed steps over the steps of the whole run.",
            [Query("max(softmoe_train_step{<run>}) / max(softmoe_train_steps_target{<run>})")],
            "percentunit",
            decimals=1,
        ),
        stat(
            "End",
            "When the run will be done if it goes on like this.",
            [Query("1000 * max(softmoe_train_eta_timestamp_seconds{<run>})")],
            "dateTimeFromNow",
        ),
        stat(
            "Tokens per second",
            "Of all ranks, last step.",
            [Query("max(softmoe_train_tokens_per_second{<run>})")],
            "short",
        ),
        stat(
            "MFU",
            "Matrix-product FLOPs of the model at the realised number of experts, over the rate that was measured at the start.",
            [Query("max(softmoe_mfu_ratio{<run>})")],
            "percentunit",
            decimals=1,
        ),
        stat(
            "Since the last step",
            "Seconds since an optimizer step was completed. Grows when the run hangs.",
            [Query("time() - max(softmoe_train_last_step_timestamp_seconds{<run>} > 0)")],
            "s",
            decimals=0,
            steps=[(None, "green"), (30, "orange"), (60, "red")],
        ),
        stat(
            "Targets up",
            "Pages of this run that Prometheus can read now, of those it could read within the last hour.",
            [
                Query(
                    "sum(up{<target>} and on (job, instance) last_over_time(softmoe_metrics_series{<run>}[1h]))", "up"
                ),
                Query("count(count by (job, instance) (last_over_time(softmoe_metrics_series{<run>}[1h])))", "seen"),
            ],
            "none",
        ),
        table(
            "The run",
            "What the run said of itself when it started.",
            [Query(f"max by ({INFORMATION}) (softmoe_run_info{{<run>}})")],
            "none",
            transformations=[{"id": "organize", "options": {"excludeByName": {"Time": True, "Value": True}}}],
            colored="^$",
            width=24,
            height=4,
        ),
    ]


def _learning() -> list[Panel]:
    return [
        row("Learning"),
        timeseries(
            "Loss",
            "Per token, in nats: cross-entropy of training and of the last evaluation, and what is minimised in all.",
            [
                Query('max by (kind) (softmoe_train_loss{<run>, kind=~"cross_entropy|total"})', "train, {{kind}}"),
                Query("max by (dataset) (softmoe_eval_loss{<run>})", "evaluation, {{dataset}}"),
            ],
            "none",
            decimals=3,
            width=12,
        ),
        timeseries(
            "Balance loss",
            "The part of the loss that spreads tokens over experts.",
            [Query('max(softmoe_train_loss{<run>, kind="balance"})', "balance")],
            "none",
            width=6,
        ),
        timeseries(
            "Last value against the 128 before",
            "Deviations from the mean, in standard deviations. Loss above 6 is a spike.",
            [Query("max by (kind) (softmoe_loss_zscore{<run>})", "{{kind}}")],
            "none",
            lines=[(None, "transparent"), (6, "red")],
            width=6,
        ),
        timeseries(
            "Gradient norm",
            "Global norm of the mean gradient, before and after clipping.",
            [Query("max by (stage) (softmoe_grad_norm{<run>})", "{{stage}}")],
            "none",
            logarithmic=True,
            width=8,
        ),
        timeseries(
            "Learning rate",
            "By group of parameters.",
            [Query("max by (group) (softmoe_learning_rate{<run>})", "{{group}}")],
            "sci",
            width=8,
        ),
        timeseries(
            "Steps skipped and clipped",
            "Share of steps whose update was discarded, by reason, and of those in which clipping acted.",
            [
                Query(
                    f"sum by (reason) (rate(softmoe_train_steps_skipped_total{{<run>}}[$__rate_interval])) {PER_STEP}",
                    "skipped, {{reason}}",
                ),
                Query(f"sum(rate(softmoe_grad_clipped_total{{<run>}}[$__rate_interval])) / {STEPS}", "clipped"),
            ],
            "percentunit",
            low=0,
            width=8,
        ),
    ]


def _speed() -> list[Panel]:
    def quantile(q: float) -> str:
        return f"histogram_quantile({q}, sum by (le) (rate(softmoe_step_duration_seconds_bucket{{<run>}}[$__rate_interval])))"

    return [
        row("Speed and step time"),
        timeseries(
            "Tokens per second",
            "Of all ranks.",
            [
                Query("sum(rate(softmoe_train_tokens_total{<run>}[$__rate_interval]))", "mean"),
                Query("max(softmoe_train_tokens_per_second{<run>})", "last step"),
            ],
            "short",
            low=0,
        ),
        timeseries(
            "Model FLOPs per second",
            "Matrix products of the model at the realised number of experts, and the measured peak: their ratio is MFU.",
            [
                Query("sum(rate(softmoe_train_model_flops_total{<run>}[$__rate_interval]))", "model"),
                Query("max(softmoe_mfu_peak_flops{<run>})", "peak"),
            ],
            "flops",
            low=0,
            dashed="peak",
        ),
        timeseries(
            "MFU",
            "Model FLOPs over the peak, last step.",
            [Query("max(softmoe_mfu_ratio{<run>})", "MFU")],
            "percentunit",
            low=0,
        ),
        timeseries(
            "Step time by phase",
            "Seconds of a step by phase, mean of the ranks. Phases are exclusive: stacked they are the wall time.",
            [
                Query(
                    f"avg by (phase) (rate(softmoe_step_phase_seconds_total{{<run>}}[$__rate_interval])) {PER_STEP}",
                    "{{phase}}",
                )
            ],
            "s",
            stacked=True,
            low=0,
            width=16,
        ),
        timeseries(
            "Step time",
            "Wall time of a step: mean, and quantiles as the histogram's buckets allow.",
            [
                Query(
                    "sum(rate(softmoe_step_duration_seconds_sum{<run>}[$__rate_interval])) / sum(rate(softmoe_step_duration_seconds_count{<run>}[$__rate_interval]))",
                    "mean",
                ),
                Query(quantile(0.5), "median"),
                Query(quantile(0.99), "99 %"),
            ],
            "s",
            low=0,
        ),
    ]


def dashboard() -> Json:
    panels = _now() + _learning() + _speed() + stragglers() + exchange() + coordinator() + scraping()
    return framed(
        "softmoe-run-health",
        "softmoe: run health",
        "Is the run alive, does it learn, where does its time go, who is slow, what does the coordinator say. Needs no more than metrics.expert_detail: off.",
        panels,
    )
