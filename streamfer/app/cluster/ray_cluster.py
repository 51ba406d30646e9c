"""The cluster that a run is on: one that is there, or one that is made here for it."""

from __future__ import annotations

import logging
import os
import secrets
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from streamfer.app.address import ClusterAddress
from streamfer.errors import ConfigError, EngineError
from streamfer.media.redact import redact_text

log = logging.getLogger(__name__)

_CONNECT_TIMEOUT_S = 5.0
_HTTP2_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_HTTP2_NO_SETTINGS = bytes((0, 0, 0, 4, 0, 0, 0, 0, 0))
"""A frame of the kind SETTINGS with nothing in it."""
_STORE_BYTES = 80 * 2**20
"""Ray's object store of a node that is made here: only paths and figures travel."""
_STARTS = 3
_NO_TELEMETRY = {"RAY_USAGE_STATS_ENABLED": "0"}
_TOKEN = Path(".ray") / "auth_token"
"""In the user's home: where Ray keeps its token."""


@dataclass(frozen=True, slots=True)
class Node:
    """One machine of a cluster."""

    cpus: float
    gpus: float


def places(nodes: list[Node], cpus: int, gpus: float) -> int:
    """How many workers of this size fit at once."""
    return sum(
        int(min(node.cpus // cpus, node.gpus / gpus + 1e-6 if gpus else node.cpus // cpus))
        for node in nodes
    )


@contextmanager
def open_cluster(address: ClusterAddress, cpus_per_node: int, gpus_per_node: int) -> Iterator[Any]:
    """Connects to a cluster, or makes one that ends with the context.

    Args:
        address: which one.
        cpus_per_node: of a node that is made here.
        gpus_per_node: likewise.

    Yields:
        The cluster that was made (`ray.cluster_utils.Cluster`); None where it was there.

    Raises:
        ConfigError: there is none, or it does not take this program.
        ModuleNotFoundError: Ray is not installed.
    """
    local = address.nodes is not None
    with ExitStack() as stack:
        stack.enter_context(_environment(_NO_TELEMETRY | (_own_token() if local else {})))
        import ray

        _forget_token()
        stack.callback(_forget_token)
        stack.enter_context(_quiet(ray))
        made = None
        if address.nodes is not None:
            made = _made(stack, address.nodes, cpus_per_node, gpus_per_node)
        elif address.host is not None:
            _demand_listener(address)
        where = made.address if made is not None else str(address)
        _connect(ray, where, address)
        stack.callback(ray.shutdown)
        if not local:
            _warn_of_open_cluster(address)
        yield made


def cluster_nodes() -> list[Node]:
    """The machines of the cluster that this program is connected to."""
    import ray

    found = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    return [Node(r.get("CPU", 0.0), r.get("GPU", 0.0)) for r in found]


def _made(stack: ExitStack, nodes: int, cpus: int, gpus: int) -> Any:
    from ray.cluster_utils import Cluster

    size = {"object_store_memory": _STORE_BYTES}
    head = {"num_cpus": 0, "include_dashboard": False, **size}
    made = _tried(nodes, lambda: Cluster(initialize_head=True, head_node_args=head))
    stack.callback(made.shutdown)
    for _ in range(nodes):
        _tried(nodes, lambda: made.add_node(num_cpus=cpus, num_gpus=gpus, wait=False, **size))
    return made


def _tried(nodes: int, start: Callable[[], Any]) -> Any:
    """Starts a part of Ray; once more where it took longer than the half minute that Ray allows
    itself, as on a machine that has much else to do.

    Raises:
        EngineError: it does not start.
    """
    for left in reversed(range(_STARTS)):
        try:
            return start()
        except Exception as error:  # Ray raises what it likes
            if not left:
                raise EngineError(
                    f"--cluster local:{nodes}: cannot start ({first_line(error)})"
                ) from error
    raise AssertionError("the last try returns or raises")


def _connect(ray: Any, where: str, address: ClusterAddress) -> None:
    before = _handlers()
    try:
        ray.init(
            address=where,
            namespace=f"streamfer-{secrets.token_hex(4)}",
            log_to_driver=False,
            configure_logging=False,
        )
    except ConnectionError as error:
        raise ConfigError(
            f"--cluster {address}: no Ray cluster answers; start one with `ray start --head`, and"
            " run this program on one of its machines"
        ) from error
    except Exception as error:  # other versions, tokens that do not fit, and more
        raise ConfigError(f"--cluster {address}: {first_line(error)}") from error
    finally:
        for number, handler in before.items():  # Ray has put its own in their place
            signal.signal(number, handler)


def _demand_listener(address: ClusterAddress) -> None:
    """Finds out within seconds what Ray itself would try for minutes."""
    assert address.host is not None
    assert address.port is not None
    try:
        with socket.create_connection((address.host, address.port), _CONNECT_TIMEOUT_S) as found:
            if os.environ.get("RAY_USE_TLS", "0") != "1" and not _speaks_http2(found):
                raise ConfigError(
                    f"--cluster {address}: what answers there is no Ray; is it the port that `ray"
                    " start --head` gave (6379), and not that of its dashboard or clients?"
                )
    except OSError as error:
        raise ConfigError(
            f"--cluster {address}: nothing answers there ({error.strerror or error}); is it the"
            " address that `ray start --head` gave?"
        ) from error


def _speaks_http2(connection: socket.socket) -> bool:
    """Whether the other side answers the beginning of HTTP/2 (RFC 9113, section 3.4), as gRPC
    does."""
    connection.settimeout(_CONNECT_TIMEOUT_S)
    try:
        connection.sendall(_HTTP2_PREFACE + _HTTP2_NO_SETTINGS)
        head = b""
        while len(head) < len(_HTTP2_NO_SETTINGS):
            received = connection.recv(len(_HTTP2_NO_SETTINGS) - len(head))
            if not received:
                return False
            head += received
    except OSError:
        return False
    return head[3] == _HTTP2_NO_SETTINGS[3]


def _warn_of_open_cluster(address: ClusterAddress) -> None:
    mode = os.environ.get("RAY_AUTH_MODE", "").lower()
    known = "RAY_AUTH_TOKEN" in os.environ or (Path.home() / _TOKEN).exists()
    if mode != "token" and (mode or not known):
        log.warning(
            "--cluster %s: asks for no token, so whoever reaches it can run programs on it; set"
            " RAY_AUTH_MODE=token on every machine",
            address,
        )


def _own_token() -> dict[str, str]:
    return {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}


def _forget_token() -> None:
    """Has Ray look again which token to use, where an earlier run of this process had another."""
    import ray._raylet as compiled

    loader: Any = compiled
    loader.AuthenticationTokenLoader.instance().reset_cache()


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    """Sets what Ray reads before it is imported, and what its processes inherit."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextmanager
def _quiet(ray: Any) -> Iterator[None]:
    """Keeps Ray from what has no option: it shows every driver's command line, which may hold
    passwords, on its dashboard, and writes to this program's standard output."""
    private, worker = ray._private.utils, ray._private.worker
    before = private.get_entrypoint_name, worker.print_to_stdstream
    logger = logging.getLogger("ray")
    level = logger.level
    logger.setLevel(logging.CRITICAL)  # what matters becomes an error of this program's
    private.get_entrypoint_name = lambda: "streamfer run"
    worker.print_to_stdstream = lambda told, *_, **__: log.debug("ray: %s", told.get("lines"))
    try:
        yield
    finally:
        private.get_entrypoint_name, worker.print_to_stdstream = before
        logger.setLevel(level)


def _handlers() -> dict[signal.Signals, Any]:
    if threading.current_thread() is not threading.main_thread():
        return {}
    return {n: signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)}


def first_line(error: BaseException | None) -> str:
    """What an error of Ray's says first, without credentials."""
    lines = [line.strip() for line in redact_text(str(error)).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
