from __future__ import annotations

import socket
import urllib.request
from urllib.parse import urlsplit

import pytest

from streamfer.app.address import parse_address
from streamfer.app.session import metrics_http
from streamfer.app.session.metrics import MetricsServer, RunMetrics, metrics_text
from streamfer.errors import ConfigError, OutputError
from streamfer.pipeline.stats.stats import RunStatistics
from streamfer.pipeline.stats.timing import StageTimes
from streamfer.types import FrameResult, StreamEvent
from tests.support.live import FakeClock
from tests.support.results import face_result
from tests.support.sources import pending, stream_info


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("0.0.0.0:9100", ("0.0.0.0", 9100)),
        ("localhost:0", ("localhost", 0)),
        ("[::1]:9100", ("::1", 9100)),
        (":9100", ("127.0.0.1", 9100)),
        ("9100", ("127.0.0.1", 9100)),
    ],
)
def test_without_a_host_the_figures_stay_on_this_machine(
    address: str, expected: tuple[str, int]
) -> None:
    assert parse_address(address, "--metrics") == expected


@pytest.mark.parametrize("address", ["", "host", "host:", "host:http", "host:65536", "host:-1"])
def test_an_address_without_a_port_is_refused(address: str) -> None:
    with pytest.raises(ConfigError, match="HOST:PORT"):
        parse_address(address, "--metrics")


def figures(statistics: RunStatistics, times: StageTimes) -> dict[str, float]:
    """What a monitor would read: every sample's value by name and labels."""
    with MetricsServer("0", RunMetrics(statistics, times)) as server:
        assert server.url.startswith("http://127.0.0.1:")
        with urllib.request.urlopen(server.url) as answer:
            text = answer.read().decode()
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}


def test_a_streams_life_shows_in_the_figures() -> None:
    clock, times = FakeClock(), StageTimes(FakeClock())
    statistics = RunStatistics(clock, "openvino", "cpu")
    statistics.add_stream(stream_info("cam", live=True))
    for index in (0, 3):
        statistics.decoded("cam")
        statistics.decoded("cam")
        frame = pending(index, clock).to_frame("cam", dropped=index and 2)
        clock.now_s += 0.04
        statistics.admitted(frame)
        clock.now_s += 0.5
        statistics.analysed(FrameResult(frame, (face_result(1, "happy"),)))
    statistics.set_state("cam", "reconnecting", "connection lost")
    times.add("classify", 0.5, items=2)
    times.add("classify", 0.25, items=1)
    read = figures(statistics, times)
    assert read['streamfer_stream_state{state="reconnecting",stream="cam"}'] == 1
    assert read['streamfer_stream_state{state="live",stream="cam"}'] == 0
    assert read['streamfer_frames_in_total{stream="cam"}'] == 4
    assert read['streamfer_frames_analysed_total{stream="cam"}'] == 2
    assert read['streamfer_frames_dropped_total{stream="cam"}'] == 2
    assert read['streamfer_reconnects_total{stream="cam"}'] == 1
    assert read['streamfer_faces_total{stream="cam"}'] == 2
    assert read['streamfer_frame_age_seconds_bucket{le="0.03",stream="cam"}'] == 0
    assert read['streamfer_frame_age_seconds_bucket{le="0.05",stream="cam"}'] == 2
    assert read['streamfer_latency_seconds_count{stream="cam"}'] == 2
    assert read['streamfer_latency_seconds_sum{stream="cam"}'] == pytest.approx(1.08)
    assert read['streamfer_engine_batches_total{engine="face"}'] == 2
    assert read['streamfer_engine_items_total{engine="face"}'] == 3
    assert read['streamfer_engine_seconds_total{engine="face"}'] == 0.75


def test_head_answers_without_a_body() -> None:
    with MetricsServer("0", RunMetrics(RunStatistics(FakeClock(), "", ""), StageTimes())) as server:
        request = urllib.request.Request(server.url, method="HEAD")
        with urllib.request.urlopen(request) as answer:
            assert answer.status == 200
            assert answer.headers["Content-Type"].startswith("text/plain")
            assert answer.read() == b""


def served() -> MetricsServer:
    return MetricsServer("0", RunMetrics(RunStatistics(FakeClock(), "", ""), StageTimes()))


def test_a_peer_that_says_nothing_is_hung_up_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics_http, "_TIMEOUT_S", 0.05)
    with served() as server:
        silent = socket.create_connection(("127.0.0.1", urlsplit(server.url).port), timeout=20)
        with silent:
            assert silent.recv(1) == b""


def test_so_many_peers_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics_http, "_MOST", 1)
    with served() as server:
        address = ("127.0.0.1", urlsplit(server.url).port)
        with socket.create_connection(address), socket.create_connection(address, 20) as second:
            assert second.recv(1) == b""


def test_a_port_that_is_taken_is_told_in_one_line() -> None:
    statistics = RunStatistics(FakeClock(), "openvino", "cpu")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(OutputError, match=f"--metrics {port}: cannot listen there"):
            MetricsServer(str(port), RunMetrics(statistics, StageTimes()))


def test_events_are_counted() -> None:
    statistics = RunStatistics(FakeClock(), "fake", "cpu")
    statistics.add_stream(stream_info("cam"))
    for event in ("face_appeared", "rule", "rule"):
        statistics.happened(StreamEvent("cam", event, 1.0))
    text = metrics_text(RunMetrics(statistics, StageTimes())).decode()
    assert 'streamfer_events_total{event="rule",stream="cam"} 2.0' in text
    assert 'streamfer_events_total{event="face_appeared",stream="cam"} 1.0' in text
