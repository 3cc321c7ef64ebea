"""All results of a run as one JSON document."""

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
    """Return what the results depend on; `load` is the load average of the last minute, before the run."""
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
        where: the result of `machine`.
        seconds: the duration of the run.
        rows: of the table.
        parts: the parts that were run.
    """
    return {
        "machine": where,
        "seconds": seconds,
        "rows": [asdict(row) for row in rows],
        # Converted through JSON, so that the keys are strings as in the file.
        "parts": json.loads(json.dumps({part.name: part.details() for part in parts})),
    }
