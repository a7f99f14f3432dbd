"""The kinds of wandb's records that are left out on purpose, because they say nothing of a run's content.

Source: the `record_type` of `Record` and the `request_type` of `Request` in `wandb/proto/wandb_internal.proto`, all its
versions from 0.13 to 0.31; who handles them is in wandb's `core/internal/stream/handler.go` and `sender.go`. A kind
that is neither here nor in the decoder's table is unknown, and counted as a loss.
"""

from __future__ import annotations

LEFT_OUT_RECORDS = frozenset(
    {
        "telemetry",  # which features of wandb are in use
        "header",  # begins a transaction log: the version that wrote it
        "footer",  # removed from wandb; ends a log
        "final",  # removed from wandb; says that all was sent
        "environment",  # machine and Python: SwanLab's own probe writes them
        "link_artifact",  # up to 0.19: the artifact's place in W&B's registry, which is no place in SwanLab
        "noop_link_artifact",  # the same in later wandb
        "wandb_config_parameters",  # 0.17 to 0.19: which config keys `wandb launch` may set
    }
)
"""Kinds of records."""

LEFT_OUT_REQUESTS = frozenset(
    {
        # Questions to wandb's core, whose answers are not in the record.
        "get_summary",
        "get_system_metadata",
        "get_system_metrics",
        "history_step",
        "internal_messages",
        "job_info",
        "network_status",
        "operations",
        "poll_exit",
        "run_status",
        "sampled_history",
        "server_feature",
        "server_info",
        "status",
        "stop_status",
        # What wandb's core is to do, for itself or with W&B's server.
        "attach",
        "cancel",
        "check_version",
        "defer",
        "download_artifact",
        "file_transfer_info",
        "job_input",
        "keepalive",
        "link_artifact",
        "login",
        "pause",
        "probe_system_info",
        "resume",
        "run_finish_without_exit",
        "sender_mark",
        "sender_read",
        "shutdown",
        "status_report",
        "sync",
        "sync_finish",
        "test_inject",
        # Said a second time: by a record of its own, or by SwanLab's own probe.
        "metadata",
        "python_packages",
        "summary_record",
        "telemetry_record",
    }
)
"""Kinds of requests: no transaction log holds any, and the tap writes only those that are not here."""
