from __future__ import annotations

import json
import os

from streamfer.types import StreamEvent


def test_an_event_can_be_sent_whatever_a_file_is_called() -> None:
    message = os.fsdecode(b"na\xe9.mp4: damaged")
    sent = StreamEvent("cafe", "error", 0.0, details={"message": message}).to_dict()
    text = json.dumps(sent, ensure_ascii=False).encode()
    assert json.loads(text)["message"] == r"na\udce9.mp4: damaged"
