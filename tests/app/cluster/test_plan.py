"""What a run on a cluster refuses before anything is started, each in one line."""

from __future__ import annotations

import importlib.util
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from streamfer.app.address import parse_cluster
from streamfer.app.cluster.fingerprint import Fingerprint, fingerprint
from streamfer.app.cluster.plan import cluster_plan
from streamfer.app.config import RunConfig
from streamfer.errors import ConfigError
from tests.support.clips import ClipSpec, make_clip
from tests.support.program import streamfer
from tests.support.rtsp_server import free_port

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return make_clip(tmp_path / "talk.mp4", ClipSpec(frames=3))


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--records", "out.jsonl"], "--records out.jsonl: on a cluster every stream has a file"),
        (["--output", "out.mp4"], "--output out.mp4: on a cluster every stream has a file"),
        (
            ["--records", "{stream}.jsonl", "--subtitles", "a.vtt"],
            "--subtitles a.vtt: on a cluster",
        ),
        ([], "needs --records or --output"),
        (["--output", "rtsp://host/{stream}"], "on a cluster files go into files"),
        (["--records", "{stream}.jsonl", "--latents", "l.parquet"], "--latents: all streams share"),
        (["--records", "{stream}.jsonl", "--display"], "has no window"),
        (["--records", "{stream}.jsonl", "--realtime"], "--realtime: cannot go with --cluster"),
        (["camera:0", "--records", "{stream}.jsonl"], "camera:0 belongs to one machine"),
        (["screen:", "--records", "{stream}.jsonl"], "belongs to one machine"),
        (["lavfi:testsrc2", "--records", "{stream}.jsonl"], "belongs to one machine"),
        (["rtsp://cam/1", "--records", "{stream}.jsonl"], "files or live streams, not both"),
        (["--records", "{stream}.jsonl", "--gpu-share", "1.5"], "--gpu-share: part of one GPU"),
    ],
)
def test_what_is_no_run_for_a_cluster(
    capfd: Capture,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    clip: Path,
    options: list[str],
    complaint: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    ended = streamfer(capfd, "run", clip, "--cluster", "auto", *options)
    assert ended.code == 2
    assert complaint in ended.complaint
    assert sorted(path.name for path in tmp_path.iterdir()) == ["talk.mp4"]


@pytest.mark.parametrize("text", ["", "local", "local:0", "local:x", "host", "host:0", "ray://h:1"])
def test_an_address_that_is_none(text: str) -> None:
    with pytest.raises(ConfigError, match="expected auto, HOST:PORT or local:N"):
        parse_cluster(text)


@pytest.mark.parametrize("text", ["auto", "local:2", "head.lan:6379", "[::1]:6379"])
def test_addresses(text: str) -> None:
    assert str(parse_cluster(text)) == text


def test_without_ray_it_says_what_to_type(
    capfd: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clip: Path
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        "streamfer.app.cluster.run.find_spec", lambda name: None if name == "ray" else find(name)
    )
    template = tmp_path / "out" / "{stream}.jsonl"
    ended = streamfer(capfd, "run", clip, "--cluster", "auto", "--records", template)
    assert ended.code == 2
    assert ended.complaint.endswith("pip install 'streamfer[cluster]'")


@contextmanager
def a_port(answer: bytes | None) -> Iterator[int]:
    """A port where somebody says something else than Ray; None: where nobody listens."""
    if answer is None:
        yield free_port()
        return
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(100)
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1]
        thread.join()


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        (None, "nothing answers there"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "what answers there is no Ray"),
        (b"", "what answers there is no Ray"),
    ],
)
def test_no_cluster_at_that_address(
    capfd: Capture, tmp_path: Path, clip: Path, answer: bytes | None, complaint: str
) -> None:
    pytest.importorskip("ray", reason="Ray is an extra: pip install 'streamfer[cluster]'")
    template = tmp_path / "out" / "{stream}.jsonl"
    with a_port(answer) as port:
        address = f"127.0.0.1:{port}"
        ended = streamfer(capfd, "run", clip, "--cluster", address, "--records", template)
    assert ended.code == 2
    assert complaint in ended.complaint
    assert not list(tmp_path.glob("out/.attempts"))


def plan_of(tmp_path: Path, clip: Path, records: str) -> Path:
    return cluster_plan(RunConfig((str(clip),), records=Path(records))).folder


def test_the_job_s_folder_is_what_all_streams_share(tmp_path: Path, clip: Path) -> None:
    assert plan_of(tmp_path, clip, f"{tmp_path}/out/{{stream}}.jsonl") == tmp_path / "out"
    assert plan_of(tmp_path, clip, f"{tmp_path}/out/{{stream}}/r.jsonl") == tmp_path / "out"


def test_workers_are_not_told_of_sources_and_views(tmp_path: Path) -> None:
    config = RunConfig(
        ("rtsp://user:hunter22@cam/1",),
        records=tmp_path / "{stream}.jsonl",
        web="0",
        web_tls=(Path("c"), Path("k")),
        web_sources="*.cams.local",
        metrics="0",
    )
    plan = cluster_plan(config)
    assert plan.live
    told = plan.worker_config
    assert (told.source, told.web, told.metrics, told.cluster) == ((), None, None, None)
    assert "hunter22" not in repr(told) + repr(plan.specs)


def test_what_only_changes_the_speed_does_not_change_the_results(
    tmp_path: Path, clip: Path
) -> None:
    def identity(**options: object) -> dict[str, str]:
        config = RunConfig((str(clip),), records=tmp_path / "{stream}.jsonl", **options)  # type: ignore[arg-type]
        return cluster_plan(config).identity(Fingerprint("1", "a"))

    same = identity(threads=3, cpu_budget=2.0, cpus_per_worker=2, gpu_share=0.5, metrics="0")
    assert identity() == same
    assert identity() == identity(web="0", web_sources="camera:")
    assert identity() != identity(label_set="fer2013")
    assert identity() != identity(refine=False)


def test_relative_paths_need_the_same_working_folder(
    tmp_path: Path, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    absolute = RunConfig((str(clip),), records=tmp_path / "{stream}.jsonl")
    relative = RunConfig(("talk.mp4",), records=tmp_path / "{stream}.jsonl")
    assert cluster_plan(absolute).working_folder is None
    assert cluster_plan(relative).working_folder == tmp_path


def test_weights_of_one_s_own_count(tmp_path: Path) -> None:
    weights = tmp_path / "own.safetensors"
    weights.write_bytes(b"one")
    first = fingerprint(RunConfig(face_model=str(weights)))
    weights.write_bytes(b"two")
    assert fingerprint(RunConfig(face_model=str(weights))) != first
    weights.unlink()
    with pytest.raises(ConfigError, match="no such file"):
        fingerprint(RunConfig(face_model=str(weights)))
