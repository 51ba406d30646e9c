"""The tables of Latent-PER for people, as Markdown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_TRUNKS = {
    "own": "Each arm has a backbone of its own, trained with the two layers.\n",
    "shared": "The arms of a backbone and seed share it, trained without codes; the two layers are"
    " each arm's own.\n",
}


def as_markdown(tables: Mapping[str, Any]) -> str:
    """Tables 1 to 5 and where the latent helps, from what `latent_tables.all_tables` made."""
    parts = [
        _TRUNKS[tables["trunk"]],
        _table_1(tables["table_1"]),
        _tables_2_4(tables["tables_2_4"]),
        _where(tables["where"], tables["faces"]),
    ]
    if tables.get("table_5"):
        parts.append(_table_5(tables["table_5"]))
    if tables["missing"]:
        parts.append(f"Not trained yet: {len(tables['missing'])} of {tables['planned']} runs.\n")
    return "\n".join(parts)


def _table_1(rows: Mapping[str, Any]) -> str:
    lines = [
        "| backbone | seeds | without | with | difference | McNemar p, all seeds | verdict |",
        "|---|---|---|---|---|---|---|",
    ]
    for backbone, row in rows.items():
        lines.append(
            f"| {backbone} | {len(row['with']['per_seed'])} | {_share(row['without'])}"
            f" | {_share(row['with'])} | {_compared(row['comparison'])} |"
        )
    return "\n".join(lines) + "\n"


def _compared(found: Mapping[str, Any] | None) -> str:
    if found is None:
        return "– | – | not run"
    difference = found["difference"]
    spread = "" if difference["sd"] is None else f" ± {100 * difference['sd']:.2f}"
    p_value = found["together"]["p_value"]
    return f"{100 * difference['mean']:+.2f}{spread} | {p_value:.2g} | {found['verdict']}"


def _share(figures: Mapping[str, Any]) -> str:
    if figures["mean"] is None:
        return "–"
    spread = "" if figures["sd"] is None else f" ± {100 * figures['sd']:.2f}"
    return f"{100 * figures['mean']:.2f}{spread} %"


def _tables_2_4(rows: Mapping[str, Any]) -> str:
    backbones = [k for k in next(iter(rows.values()), {}) if k not in ("indices", "against_full")]
    lines = [
        f"| h | indices | {' | '.join(backbones)} |",
        "|---" * (len(backbones) + 2) + "|",
    ]
    names = {"full": "0", "median": "median", "mean": "mean"}
    for latent, row in rows.items():
        indices = "–" if row["indices"] is None else str(row["indices"])
        cells = " | ".join(_share(row[backbone]) for backbone in backbones)
        lines.append(f"| {names[latent]} | {indices} | {cells} |")
    return "\n".join(lines) + "\n"


def _where(rows: Mapping[str, Any], faces: Mapping[str, int]) -> str:
    backbones = list(next(iter(rows.values()), {}))
    lines = [
        f"| faces | number | {' | '.join(backbones)} |",
        "|---" * (len(backbones) + 2) + "|",
    ]
    for name, row in rows.items():
        cells = []
        for backbone in backbones:
            found = row[backbone]
            if found is None:
                cells.append("–")
                continue
            together = found["together"]
            cells.append(f"{100 * found['difference']['mean']:+.2f} (p {together['p_value']:.2g})")
        lines.append(f"| {name} | {faces[name]} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _table_5(rows: Mapping[str, Any]) -> str:
    lines = [
        "| backbone | ms without | ms with | MB without | MB with |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| {backbone} | {row['without']['ms']:.2f} | {row['with']['ms']:.2f}"
        f" | {row['without']['mb']:.1f} | {row['with']['mb']:.1f} |"
        for backbone, row in rows.items()
    ]
    return "\n".join(lines) + "\n"
