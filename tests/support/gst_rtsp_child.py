"""An RTSP server in a process of its own, run by the Python that has GStreamer's bindings.

It takes its settings as JSON in its first argument and prints `ready` once it listens. Every
mount point plays a file of pre-encoded H.264 access units, over and over, one clock for all
clients, and notes when it sent which one.
"""

# This file runs outside the package's environment: standard library and GStreamer only.
from __future__ import annotations

import json
import os
import struct
import sys
import threading
import time
from pathlib import Path

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import Gio, GLib, Gst, GstRtspServer  # noqa: E402

PIPELINE = (
    "( appsrc name=src is-live=true format=time do-timestamp=true block=false"
    " caps=video/x-h264,stream-format=byte-stream,alignment=au,framerate={rate}/1"
    " ! h264parse ! video/x-h264,alignment=au ! rtph264pay name=pay0 pt=96 config-interval=-1 )"
)


def read_access_units(path: str) -> list[bytes]:
    packed = Path(path).read_bytes()
    units = []
    offset = 0
    while offset < len(packed):
        (length,) = struct.unpack_from("<I", packed, offset)
        offset += 4
        units.append(packed[offset : offset + length])
        offset += length
    return units


class Factory(GstRtspServer.RTSPMediaFactory):
    """One media for all clients, also for those that come by another port, through a proxy."""

    def do_gen_key(self, url: object) -> str:
        return "one for all"


class Mount:
    """One endless stream, paced by its own thread while at least one client plays it."""

    def __init__(self, path: str, media: str, rate: int, send_log: str | None) -> None:
        self.units = read_access_units(media)
        self.rate = rate
        self.send_log = open(send_log, "a", buffering=1) if send_log else None  # noqa: SIM115
        self.factory = Factory()
        self.factory.set_launch(PIPELINE.format(rate=rate))
        self.factory.set_shared(True)
        self.factory.set_latency(0)
        self.factory.connect("media-configure", self._on_media)
        self.path = path
        self.number = 0

    def _on_media(self, _factory: object, media: GstRtspServer.RTSPMedia) -> None:
        appsrc = media.get_element().get_child_by_name("src")
        stop = threading.Event()
        media.connect("unprepared", lambda _media: stop.set())
        threading.Thread(target=self._play, args=(appsrc, stop), daemon=True).start()

    def _play(self, appsrc: Gst.Element, stop: threading.Event) -> None:
        due = time.monotonic()
        while not stop.is_set():
            unit = self.units[self.number % len(self.units)]
            if self.send_log:
                self.send_log.write(f"{self.number} {time.monotonic():.6f}\n")
            if appsrc.emit("push-buffer", Gst.Buffer.new_wrapped(unit)) != Gst.FlowReturn.OK:
                return
            self.number += 1
            due += 1 / self.rate
            stop.wait(max(due - time.monotonic(), 0))


def make_auth(
    users: dict[str, str], digest: bool, certificate: list[str] | None
) -> GstRtspServer.RTSPAuth:
    auth = GstRtspServer.RTSPAuth()
    token = GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", "user")
    if digest:
        auth.set_supported_methods(2)  # GST_RTSP_AUTH_DIGEST
    for name, password in users.items():
        if digest:
            auth.add_digest(name, password, token)
        else:
            auth.add_basic(GstRtspServer.RTSPAuth.make_basic(name, password), token)
    if not users:
        auth.set_default_token(token)
    if certificate:
        auth.set_tls_certificate(Gio.TlsCertificate.new_from_files(*certificate))
    return auth


def allow_users(factory: GstRtspServer.RTSPMediaFactory) -> None:
    permissions = GstRtspServer.RTSPPermissions()
    permissions.add_permission_for_role("user", "media.factory.access", True)
    permissions.add_permission_for_role("user", "media.factory.construct", True)
    factory.set_permissions(permissions)


def end_with_the_test() -> None:
    """A test that dies leaves no server behind: its end of the pipe closes."""
    sys.stdin.read()
    os._exit(0)


def main() -> None:
    settings = json.loads(sys.argv[1])
    Gst.init(None)
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(str(settings["port"]))
    server.set_backlog(64)
    guarded = settings["users"] or settings["certificate"]
    if guarded:
        server.set_auth(make_auth(settings["users"], settings["digest"], settings["certificate"]))
    for mount in settings["mounts"]:
        made = Mount(**mount)
        if guarded:
            allow_users(made.factory)
        server.get_mount_points().add_factory(made.path, made.factory)
    if server.attach(None) == 0:
        sys.exit(f"cannot listen on port {settings['port']}")
    print("ready", flush=True)
    threading.Thread(target=end_with_the_test, daemon=True).start()
    GLib.MainLoop().run()


if __name__ == "__main__":
    main()
