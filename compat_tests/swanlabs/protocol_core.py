"""A core with SwanLab's protocol and nothing else, as a core in another process will be: put into a copy of SwanLab.

It keeps a `CorePython` where nobody can reach it, so what it stores and sends is SwanLab's. An assumption: SwanLab's
core in Go is not published; what is known of it is `swanlab/sdk/protocol/core.py`.
"""

from typing import Any

from swanlab.sdk.internal.core_python import CorePython
from swanlab.sdk.protocol import CoreProtocol


def protocol_core(mode: Any) -> CoreProtocol:
    """Makes one."""
    hidden = CorePython(mode=mode)

    class ProtocolCore(CoreProtocol):
        def deliver_run_start(self, start_request: Any) -> Any:
            return hidden.deliver_run_start(start_request)

        def upsert_columns(self, columns: Any) -> None:
            hidden.upsert_columns(columns)

        def upsert_scalars(self, scalars: Any) -> None:
            hidden.upsert_scalars(scalars)

        def upsert_media(self, media: Any) -> None:
            hidden.upsert_media(media)

        def upsert_logs(self, logs: Any) -> None:
            hidden.upsert_logs(logs)

        def upsert_saves(self, saves: Any) -> None:
            hidden.upsert_saves(saves)

        def deliver_run_finish(self, finish_request: Any) -> Any:
            return hidden.deliver_run_finish(finish_request)

        def get_operation_stats(self) -> Any:
            return hidden.get_operation_stats()

        def confirm_run_finish(self) -> Any:
            return hidden.confirm_run_finish()

        def fork(self) -> Any:
            return hidden.fork()

    ProtocolCore.__abstractmethods__ = frozenset()
    return ProtocolCore(mode)
