"""The soak's result: a table for people, a picture, and what must hold."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from tests.soak.monitor import Reading, latency_quantile_s, memory_slope_mb_per_min


@dataclass(frozen=True)
class Soak:
    """A finished soak."""

    readings: list[Reading]
    """After the warm-up."""
    faults: list[tuple[float, str, str]]
    """When, source, what."""
    exit_code: int
    problems: list[str]

    @property
    def minutes(self) -> float:
        return (self.readings[-1].at_s - self.readings[0].at_s) / 60

    @property
    def memory_slope_mb_per_min(self) -> float:
        return memory_slope_mb_per_min(self.readings)

    def table(self) -> str:
        """Markdown."""
        first, middle, last = self.readings[0], self._middle(), self.readings[-1]
        counts = Counter((source, what) for _, source, what in self.faults)
        lines = [
            "| stream | analysed | dropped | reconnects | latency p95, first half | second half |",
            "|---|---|---|---|---|---|",
        ]
        for stream in sorted({stream for _, stream in last.counters if stream}):
            if ("frames_analysed", stream) not in last.counters:
                continue
            analysed, dropped, reconnects = (
                last.counters[name, stream] - first.counters.get((name, stream), 0)
                for name in ("frames_analysed", "frames_dropped", "reconnects")
            )
            early = latency_quantile_s(first, middle, stream, 0.95)
            late = latency_quantile_s(middle, last, stream, 0.95)
            lines.append(
                f"| {stream} | {analysed:.0f} | {dropped:.0f} | {reconnects:.0f}"
                f" | ≤ {early * 1000:.0f} ms | ≤ {late * 1000:.0f} ms |"
            )
        lines += [
            "",
            f"{self.minutes:.1f} minutes after warm-up; memory {first.memory_mb:.0f} →"
            f" {last.memory_mb:.0f} MB, slope {self.memory_slope_mb_per_min:+.2f} MB/min;"
            f" threads {first.threads} → {last.threads};"
            f" descriptors {first.descriptors} → {last.descriptors};"
            f" exit code {self.exit_code}.",
            "",
            "Faults: "
            + ", ".join(f"{what} ({source}) ×{n}" for (source, what), n in sorted(counts.items()))
            + ".",
        ]
        return "\n".join(lines) + "\n"

    def picture(self) -> str:
        """An SVG: memory over time, and a mark for every fault."""
        times = [reading.at_s / 60 for reading in self.readings]
        memory = [reading.memory_mb for reading in self.readings]
        top = max(memory) * 1.15
        span = max(times[-1] - times[0], 1e-6)

        def x(minute: float) -> float:
            return 60 + 720 * (minute - times[0]) / span

        def y(megabytes: float) -> float:
            return 260 - 220 * megabytes / top

        line = " ".join(f"{x(t):.1f},{y(m):.1f}" for t, m in zip(times, memory, strict=True))
        marks = "".join(
            f'<line x1="{x(at / 60):.1f}" x2="{x(at / 60):.1f}" y1="262" y2="270"'
            f' stroke="#d55e00"><title>{what} ({source})</title></line>'
            for at, source, what in self.faults
            if times[0] <= at / 60 <= times[-1]
        )
        labels = "".join(
            f'<text x="52" y="{y(m) + 4:.1f}" text-anchor="end">{m:.0f}</text>'
            f'<line x1="60" x2="780" y1="{y(m):.1f}" y2="{y(m):.1f}" stroke="#ddd"/>'
            for m in (0.0, top / 2, top)
        )
        minutes = "".join(
            f'<text x="{x(t):.1f}" y="288" text-anchor="middle">{t:.0f} min</text>'
            for t in (times[0], times[0] + span / 2, times[-1])
        )
        return (
            '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 800 300" font-family="sans-serif"'
            ' font-size="12"><rect width="800" height="300" fill="white"/>'
            f'{labels}<polyline points="{line}" fill="none" stroke="#0072b2" stroke-width="1.5"/>'
            f'{marks}{minutes}<text x="60" y="22">memory in MB; orange marks: faults</text></svg>\n'
        )

    def write(self, folder: Path) -> None:
        """Puts `soak.md` and `soak.svg` into a folder."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "soak.md").write_text(self.table(), encoding="utf-8")
        (folder / "soak.svg").write_text(self.picture(), encoding="utf-8")

    def _middle(self) -> Reading:
        return self.readings[len(self.readings) // 2]
