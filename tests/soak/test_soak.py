from __future__ import annotations

from tests.soak.soak import soak
from tests.support.rtsp_server import require_rtsp_server


def test_faults_leave_everything_running() -> None:
    require_rtsp_server()
    result = soak(minutes=0.75, every_s=3.0, warm_up_s=15.0)
    print(result.table())
    assert result.problems == []
    assert result.exit_code == 130
    first, last = result.readings[0], result.readings[-1]
    analysed = {key: n for key, n in last.counters.items() if key[0] == "frames_analysed"}
    assert len(analysed) == 6
    assert all(n > first.counters[key] for key, n in analysed.items())
    assert sum(n for (name, _), n in last.counters.items() if name == "reconnects") > 0
    assert last.threads <= first.threads + 4
    assert last.memory_mb - first.memory_mb < 60
    assert result.picture().startswith("<svg")
