"""What a web server has counted, reduced to what its status page shows."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prometheus_client import Metric

# Groups of counts by the samples that they sum up, and by the label that tells a group's members apart.
GROUPS = {
    "classifier_http_requests_total": ("requests", "status"),
    "classifier_http_request_duration_seconds_bucket": ("latency_s", "le"),
    "classifier_http_refused_total": ("refused", "status"),
    "classifier_results_total": ("results", "via"),
    "classifier_jobs_requeued_total": ("requeued", "reason"),
    "classifier_cells_died_total": ("cells_died", "reason"),
    "classifier_cache_requests_total": ("cache", "outcome"),
}
IN_PROGRESS = "classifier_http_requests_in_progress"
# Of the samples that name an endpoint, only those of pictures matter.
ENDPOINT = "/predict"


@dataclass(frozen=True)
class WebCounts:
    """Counts since the start.

    Attributes:
        in_progress: the number of requests in progress.
        groups: by name and member, such as `requests` by `status`. The members of `latency_s` are the upper bounds of
            a histogram's buckets in seconds, and each count includes those of all lower bounds.
    """

    in_progress: int
    groups: dict[str, dict[str, int]]


def select_counts(metrics: "Iterable[Metric]") -> WebCounts:
    """Select and sum up the samples that matter."""
    groups: dict[str, dict[str, int]] = {group: {} for group, _ in GROUPS.values()}
    in_progress = 0
    for sample in (sample for metric in metrics for sample in metric.samples):
        if sample.name == IN_PROGRESS:
            in_progress += int(sample.value)
        elif sample.name in GROUPS and sample.labels.get("endpoint", ENDPOINT) == ENDPOINT:
            name, label = GROUPS[sample.name]
            member = sample.labels[label]
            groups[name][member] = groups[name].get(member, 0) + int(sample.value)
    return WebCounts(in_progress, groups)
