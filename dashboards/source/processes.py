"""The processes of a run: who is slow, what they exchange and hold, what the coordinator says, what a scrape costs."""

from source.panels import Panel, Query, row, stat, timeseries

# Phases in which a rank waits for others or for what they send, and the time between steps, which is mostly one
# rank writing while the others wait; in the rest a rank works.
WAITING = "counts|dispatch|combine|reduce|gather|idle|between"
STEPS = "sum(rate(softmoe_train_steps_total{<run>}[$__rate_interval]))"
PER_STEP = f"/ on () group_left () {STEPS}"


def _phases(by: str, matcher: str) -> str:
    return f"sum by ({by}) (rate(softmoe_step_phase_seconds_total{{<run>{matcher}}}[$__rate_interval]))"


BUSY = _phases("rank", f', phase!~"{WAITING}"')
WAIT = _phases("rank", f', phase=~"{WAITING}"')
RANK_SERIES = "rank {{rank}}"


def stragglers() -> list[Panel]:
    return [
        row("Stragglers"),
        timeseries(
            "Busy time by rank",
            f"Seconds of a step in phases in which the rank works (all but {WAITING.replace('|', ', ')}). The rank that stands out holds the others up.",
            [Query(f"{BUSY} {PER_STEP}", RANK_SERIES)],
            "s",
            low=0,
        ),
        timeseries(
            "Waiting time by rank",
            "Seconds of a step in which the rank exchanges, or waits for others. The straggler waits least.",
            [Query(f"{WAIT} {PER_STEP}", RANK_SERIES)],
            "s",
            low=0,
        ),
        timeseries(
            "Least busy over this rank",
            "1 for the rank with the least work, less for slower ones; below 0.75 a rank is called a straggler.",
            [Query(f"min({BUSY}) / on () group_right () {BUSY}", RANK_SERIES)],
            "percentunit",
            low=0,
            high=1,
            lines=[(None, "transparent"), (0.75, "red")],
        ),
    ]


def exchange() -> list[Panel]:
    return [
        row("Exchange and memory"),
        timeseries(
            "Rows of experts sent",
            "Bytes per second that leave their rank, all ranks, by direction and pass.",
            [
                Query(
                    "sum by (direction, pass) (rate(softmoe_alltoall_bytes_total{<run>}[$__rate_interval]))",
                    "{{direction}}, {{pass}}",
                )
            ],
            "Bps",
            stacked=True,
            low=0,
            width=6,
        ),
        timeseries(
            "Gradients and parameters sent",
            "Bytes per second in collectives, all ranks.",
            [Query("sum by (op) (rate(softmoe_collective_bytes_total{<run>}[$__rate_interval]))", "{{op}}")],
            "Bps",
            stacked=True,
            low=0,
            width=6,
        ),
        timeseries(
            "Resident memory",
            "By process.",
            [Query("max by (rank) (process_resident_memory_bytes{<run>})", RANK_SERIES)],
            "bytes",
            low=0,
            width=6,
        ),
        timeseries(
            "Most that an arena held",
            "Activations kept for the backward pass (saved) and scratch, by rank.",
            [Query("max by (rank, arena) (softmoe_arena_peak_bytes{<run>})", "rank {{rank}}, {{arena}}")],
            "bytes",
            low=0,
            width=6,
        ),
        timeseries(
            "Processor time",
            "Cores that a process uses.",
            [Query("sum by (rank) (rate(process_cpu_seconds_total{<run>}[$__rate_interval]))", RANK_SERIES)],
            "none",
            low=0,
            width=6,
        ),
        timeseries(
            "Threads",
            "By process.",
            [Query("max by (rank) (process_threads{<run>})", RANK_SERIES)],
            "none",
            low=0,
            width=6,
        ),
        timeseries(
            "Open files",
            "Share of the file descriptors that a process may have.",
            [Query("max by (rank) (process_open_fds{<run>} / process_max_fds{<run>})", RANK_SERIES)],
            "percentunit",
            low=0,
            width=6,
        ),
        timeseries(
            "Address space",
            "Reservations of the arenas included: large by design.",
            [Query("max by (rank) (process_virtual_memory_bytes{<run>})", RANK_SERIES)],
            "bytes",
            low=0,
            width=6,
        ),
    ]


def coordinator() -> list[Panel]:
    return [
        row("Coordinator"),
        stat(
            "Answers",
            "Whether the coordinator's page is read. Without one the run trains on; changes wait.",
            [Query("max(softmoe_coordinator_up{<run>})")],
            "bool_yes_no",
        ),
        stat(
            "Somebody holds the run up",
            "A verdict stands: a rank is silent or the run is stuck. `softmoe ctl status` names rank, layer and operation.",
            [Query("max(softmoe_coordinator_stuck{<run>})")],
            "bool_yes_no",
            steps=[(None, "green"), (1, "red")],
        ),
        stat("Ranks expected", "Ranks of the run.", [Query("max(softmoe_coordinator_ranks_expected{<run>})")], "none"),
        stat(
            "Term",
            "Fencing term: grows by one with every start of the coordinator.",
            [Query("max(softmoe_coordinator_term{<run>})")],
            "none",
        ),
        stat(
            "Newest record",
            "Step of the newest record of the audit.",
            [Query("max(softmoe_coordinator_last_record_step{<run>})")],
            "none",
        ),
        stat("Time between records", "Median.", [Query("max(softmoe_coordinator_step_seconds{<run>})")], "s"),
        stat(
            "Alarms, last hour",
            "All kinds together.",
            [Query("sum(increase(softmoe_coordinator_alarms_total{<run>}[1h]))")],
            "none",
            decimals=0,
            steps=[(None, "green"), (0.5, "red")],
        ),
        stat(
            "Refusals, last hour",
            "Requests refused, all reasons together.",
            [Query("sum(increase(softmoe_coordinator_rejected_total{<run>}[1h]))")],
            "none",
            decimals=0,
            steps=[(None, "green"), (0.5, "orange")],
        ),
        timeseries(
            "Ranks by state",
            "As the coordinator sees them.",
            [Query("max by (state) (softmoe_coordinator_ranks{<run>})", "{{state}}")],
            "none",
            stacked=True,
            low=0,
        ),
        timeseries(
            "Time since the last heartbeat",
            "By rank. Above `coordinator.silence_seconds` a rank is silent.",
            [Query("max by (rank) (softmoe_coordinator_heartbeat_age_seconds{<run>})", RANK_SERIES)],
            "s",
            low=0,
        ),
        timeseries(
            "Processes that have owned a rank",
            "One more with every restart.",
            [Query("max by (rank) (softmoe_coordinator_rank_incarnations{<run>})", RANK_SERIES)],
            "none",
            low=0,
        ),
        timeseries(
            "Alarms",
            "By kind.",
            [Query("sum by (kind) (increase(softmoe_coordinator_alarms_total{<run>}[$__rate_interval]))", "{{kind}}")],
            "none",
            bars=True,
            low=0,
        ),
        timeseries(
            "Words decided again",
            "Control words per second that the audit agreed with, disagreed with, or could not decide.",
            [
                Query(
                    "sum by (verdict) (rate(softmoe_coordinator_words_audited_total{<run>}[$__rate_interval]))",
                    "{{verdict}}",
                )
            ],
            "ops",
            low=0,
        ),
        timeseries(
            "Refusals",
            "Requests refused, by reason.",
            [
                Query(
                    "sum by (reason) (increase(softmoe_coordinator_rejected_total{<run>}[$__rate_interval]))",
                    "{{reason}}",
                )
            ],
            "none",
            bars=True,
            low=0,
        ),
        timeseries(
            "Calls",
            "Per second, by method and status code.",
            [
                Query(
                    "sum by (method, code) (rate(softmoe_coordinator_rpcs_total{<run>}[$__rate_interval]))",
                    "{{method}}, {{code}}",
                )
            ],
            "reqps",
            low=0,
            width=12,
        ),
        timeseries(
            "Time of a call",
            "99 % of the calls of a method are answered faster, as the histogram's buckets allow.",
            [
                Query(
                    "histogram_quantile(0.99, sum by (method, le) (rate(softmoe_coordinator_rpc_duration_seconds_bucket{<run>}[$__rate_interval])))",
                    "{{method}}",
                )
            ],
            "s",
            low=0,
            width=12,
        ),
    ]


def scraping() -> list[Panel]:
    return [
        row("Scraping"),
        timeseries(
            "Up, by target",
            "1 where Prometheus could read the page. Targets of all runs that the job and the instance allow.",
            [Query("max by (instance) (up{<target>})", "{{instance}}")],
            "none",
            low=0,
            high=1,
        ),
        timeseries(
            "Series",
            "Of a page. `metrics.max_series` is the limit of what a page may grow to.",
            [Query("max by (instance) (softmoe_metrics_series{<run>})", "{{instance}}")],
            "none",
            low=0,
        ),
        timeseries(
            "Time to make a page",
            "On a thread of its own; no step waits for it.",
            [Query("max by (instance) (softmoe_metrics_page_seconds{<run>})", "{{instance}}")],
            "s",
            low=0,
        ),
        timeseries(
            "Requests",
            "Of the listeners, per second.",
            [Query("sum by (result) (rate(softmoe_http_requests_total{<run>}[$__rate_interval]))", "{{result}}")],
            "reqps",
            low=0,
            width=12,
        ),
        timeseries(
            "Data position",
            "Next sequence of the data order.",
            [Query("max(softmoe_data_position_sequences{<run>})", "sequences")],
            "locale",
            low=0,
            width=12,
        ),
    ]
