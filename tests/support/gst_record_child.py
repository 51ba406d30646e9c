"""An RTSP server that takes what is sent to it, run by the Python that has GStreamer's bindings.

It takes its settings as JSON in its first argument and prints `ready` once it listens. What comes
to its one mount point is appended to a file, each H.264 access unit (or packet of AAC, behind a
`1`) with its arrival on the monotonic clock.
"""

# This file runs outside the package's environment: standard library and GStreamer only.
from __future__ import annotations

import json
import os
import struct
import sys
import threading
import time

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402

VIDEO = (
    "rtph264depay name=depay0 ! h264parse config-interval=-1"
    " ! video/x-h264,stream-format=byte-stream,alignment=au"
    " ! appsink name=sink0 emit-signals=true sync=false"
)
SOUND = " rtpmp4gdepay name=depay1 ! appsink name=sink1 emit-signals=true sync=false"


class Recording:
    """The file."""

    def __init__(self, path: str) -> None:
        self.file = open(path, "ab", buffering=0)  # noqa: SIM115
        self.lock = threading.Lock()

    def on_media(self, _factory: object, media: GstRtspServer.RTSPMedia) -> None:
        for number in range(2):
            sink = media.get_element().get_child_by_name(f"sink{number}")
            if sink is not None:
                sink.connect("new-sample", self.on_sample, number)

    def on_sample(self, sink: Gst.Element, number: int) -> Gst.FlowReturn:
        arrived_s = time.monotonic()
        buffer = sink.emit("pull-sample").get_buffer()
        content = buffer.extract_dup(0, buffer.get_size())
        pts = buffer.pts if buffer.pts != Gst.CLOCK_TIME_NONE else 0
        head = struct.pack("<BdQI", number, arrived_s, pts, len(content))
        with self.lock:
            self.file.write(head + content)
        return Gst.FlowReturn.OK


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
    recording = Recording(settings["path"])
    factory = GstRtspServer.RTSPMediaFactory()
    factory.set_launch(f"( {VIDEO}{SOUND if settings['sound'] else ''} )")
    factory.set_transport_mode(GstRtspServer.RTSPTransportMode.RECORD)
    factory.set_latency(0)
    factory.connect("media-configure", recording.on_media)
    server.get_mount_points().add_factory("/cam", factory)
    if server.attach(None) == 0:
        sys.exit(f"cannot listen on port {settings['port']}")
    print("ready", flush=True)
    threading.Thread(target=end_with_the_test, daemon=True).start()
    GLib.MainLoop().run()


if __name__ == "__main__":
    main()
