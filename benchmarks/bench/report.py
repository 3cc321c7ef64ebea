"""Everything that a run has found, as one JSON document."""

import json
import os
import platform
from collections.abc import Iterable
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.bench.part import Part
from benchmarks.bench.row import Row

LIBRARIES = ("flask", "gunicorn", "keras", "numpy", "openvino", "pillow", "redis", "tensorflow-cpu")


def machine() -> dict[str, Any]:
    """Return what the figures depend on; the load is that of the last minute, before anything was started."""
    return {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "load": os.getloadavg()[0],
        "system": platform.platform(),
        "python": platform.python_version(),
        "libraries": {name: version(name) for name in LIBRARIES},
    }


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")


def report(where: dict[str, Any], seconds: float, rows: Iterable[Row], parts: Iterable[Part]) -> dict[str, Any]:
    """Return the document.

    Args:
        where: what `machine` returned.
        seconds: how long the run took.
        rows: all rows of the table.
        parts: what was run.
    """
    return {
        "machine": where,
        "seconds": seconds,
        "rows": [asdict(row) for row in rows],
        # By way of JSON, so that it looks the same as when it is read from the file.
        "parts": json.loads(json.dumps({part.name: part.details() for part in parts})),
    }
