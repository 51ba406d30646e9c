"""A TCP proxy on the loopback interface that can cut, pause and corrupt what goes through it."""

from __future__ import annotations

import random
import selectors
import socket
import threading
from typing import Self

_CHUNK = 65536


class FaultProxy:
    """Forwards connections to a port, with faults on demand.

    Args:
        target_port: where the real server listens, on the loopback interface.
        seed: of the corruption.
    """

    def __init__(self, target_port: int, seed: int = 0) -> None:
        self._target = ("127.0.0.1", target_port)
        self._random = random.Random(seed)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._wake_reader, self._wake_writer = socket.socketpair()
        self._peers: dict[socket.socket, socket.socket] = {}
        self._from_server: set[socket.socket] = set()
        self._paused = False
        self._cut_requested = False
        self._corrupt_share = 0.0
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="fault proxy")

    def pause(self) -> None:
        """Forwards nothing; connections stay open and new ones are accepted."""
        self._paused = True
        self._wake()

    def resume(self) -> None:
        """Forwards again."""
        self._paused = False
        self._wake()

    def cut(self) -> None:
        """Closes all connections that are open now."""
        self._cut_requested = True
        self._wake()

    def corrupt(self, share: float) -> None:
        """From now on flips a byte in this share of the chunks that the server sends."""
        self._corrupt_share = share

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping = True
        self._wake()
        self._thread.join()

    def _wake(self) -> None:
        self._wake_writer.send(b"!")

    def _run(self) -> None:
        with selectors.DefaultSelector() as selector, self._listener, self._wake_reader:
            selector.register(self._listener, selectors.EVENT_READ)
            selector.register(self._wake_reader, selectors.EVENT_READ)
            while not self._stopping:
                for key, _ in selector.select():
                    self._serve(key.fileobj, selector)
            self._close_all(selector)
        self._wake_writer.close()

    def _serve(self, ready: socket.socket, selector: selectors.BaseSelector) -> None:
        if ready is self._wake_reader:
            ready.recv(_CHUNK)
            self._obey(selector)
        elif ready is self._listener:
            self._accept(selector)
        elif ready in self._peers:
            self._forward(ready, selector)

    def _obey(self, selector: selectors.BaseSelector) -> None:
        if self._cut_requested:
            self._cut_requested = False
            self._close_all(selector)
        for peer in self._peers:
            registered = peer in selector.get_map()
            if self._paused and registered:
                selector.unregister(peer)
            elif not self._paused and not registered:
                selector.register(peer, selectors.EVENT_READ)

    def _accept(self, selector: selectors.BaseSelector) -> None:
        client, _ = self._listener.accept()
        try:
            server = socket.create_connection(self._target, timeout=5)
        except OSError:
            client.close()
            return
        for side in (client, server):
            side.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._peers |= {client: server, server: client}
        self._from_server.add(server)
        if not self._paused:
            selector.register(client, selectors.EVENT_READ)
            selector.register(server, selectors.EVENT_READ)

    def _forward(self, source: socket.socket, selector: selectors.BaseSelector) -> None:
        try:
            chunk = bytearray(source.recv(_CHUNK))
            if source in self._from_server and self._random.random() < self._corrupt_share:
                chunk[self._random.randrange(len(chunk))] ^= 1 << self._random.randrange(8)
            self._peers[source].sendall(chunk)
        except (OSError, ValueError):
            chunk = bytearray()
        if not chunk:
            self._close(source, selector)

    def _close(self, peer: socket.socket, selector: selectors.BaseSelector) -> None:
        for side in (peer, self._peers.pop(peer)):
            self._peers.pop(side, None)
            self._from_server.discard(side)
            if side in selector.get_map():
                selector.unregister(side)
            side.close()

    def _close_all(self, selector: selectors.BaseSelector) -> None:
        while self._peers:
            self._close(next(iter(self._peers)), selector)
