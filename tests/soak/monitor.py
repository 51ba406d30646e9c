"""Watches a running program from outside: its memory, and its figures for Prometheus."""

from __future__ import annotations

import re
import urllib.request
from collections import defaultdict
from dataclasses import dataclass, field

import numpy as np
import psutil

_SAMPLE = re.compile(r"streamfer_(\w+)\{(.*)\} (\S+)")
_LABEL = re.compile(r'(\w+)="([^"]*)"')


@dataclass(frozen=True)
class Reading:
    """What the program said of itself at one moment."""

    at_s: float
    memory_mb: float
    threads: int
    descriptors: int
    counters: dict[tuple[str, str], float]
    """By name without `_total`, and stream."""
    latency_buckets: dict[str, dict[float, float]] = field(repr=False)
    """By stream: frames up to each latency in seconds, ever."""


def read(process: psutil.Process, url: str, at_s: float) -> Reading:
    """Asks the program, and the operating system about it."""
    with urllib.request.urlopen(url, timeout=10) as answer:
        text = answer.read().decode()
    counters: dict[tuple[str, str], float] = {}
    buckets: dict[str, dict[float, float]] = defaultdict(dict)
    for name, labels_text, value in _SAMPLE.findall(text):
        labels = dict(_LABEL.findall(labels_text))
        stream = labels.get("stream", "")
        if name.endswith("_total"):
            counters[name.removesuffix("_total"), stream] = float(value)
        elif name == "latency_seconds_bucket":
            buckets[stream][float(labels["le"])] = float(value)
    memory_mb = process.memory_info().rss / 2**20
    for child in process.children(recursive=True):
        memory_mb += child.memory_info().rss / 2**20
    return Reading(
        at_s, memory_mb, process.num_threads(), process.num_fds(), counters, dict(buckets)
    )


def memory_slope_mb_per_min(readings: list[Reading]) -> float:
    """Of a straight line through the memory, by least squares."""
    times_min = np.array([reading.at_s / 60 for reading in readings])
    memory_mb = np.array([reading.memory_mb for reading in readings])
    return float(np.polyfit(times_min, memory_mb, 1)[0])


def latency_quantile_s(before: Reading, after: Reading, stream: str, quantile: float) -> float:
    """Upper bound of the bucket that holds a quantile of the frames between two readings."""
    old = before.latency_buckets.get(stream, {})
    new = {le: n - old.get(le, 0) for le, n in after.latency_buckets.get(stream, {}).items()}
    total = new.get(float("inf"), 0)
    if not total:
        return float("nan")
    return min(le for le, count in sorted(new.items()) if count >= quantile * total)
