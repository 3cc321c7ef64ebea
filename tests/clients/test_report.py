"""The report of a load."""

from clients.report import Report, Results, Sample, histogram, percentiles


def test_percentiles_and_histogram_include_all_latencies() -> None:
    latencies = [float(number) for number in range(1, 102)]
    assert percentiles(latencies) == {"min": 1, "p50": 51, "p90": 91, "p95": 96, "p99": 100, "max": 101}
    buckets = histogram(latencies)
    assert sum(bucket.count for bucket in buckets) == 101
    assert (buckets[0].low, buckets[-1].high) == (1, 101)
    assert (percentiles([]), histogram([])) == ({}, [])
    assert percentiles([7.0])["p99"] == 7
    assert [bucket.count for bucket in histogram([7.0, 7.0])] == [2]


def test_a_report_is_good_only_if_every_request_was_sent_and_answered() -> None:
    assert not Report.of(Results(), 20, None).good
    results = Results(begun=2)
    results.add(Sample(0.0, 0.0, 0.1, "200"))
    assert not Report.of(results, 20, None).good
    results.add(Sample(0.1, 0.0, 0.1, "200"))
    assert Report.of(results, 20, None).good


def test_one_outlier_does_not_flatten_the_histogram() -> None:
    latencies = [20 + number / 10 for number in range(200)] + [30_000.0]
    buckets = histogram(latencies)
    assert sum(bucket.count for bucket in buckets) == 201
    assert buckets[-1].high == 30_000
    assert sum(bucket.count >= 10 for bucket in buckets) >= 8


def test_nearly_equal_latencies_are_all_counted() -> None:
    assert sum(bucket.count for bucket in histogram([5.0] * 99 + [7.0])) == 100
