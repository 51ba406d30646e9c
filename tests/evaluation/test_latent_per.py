"""The tables of Latent-PER."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from streamfer.evaluation.conditions import CONDITIONS, most_turned, under
from streamfer.evaluation.latent_exams import PLAIN, Exams
from streamfer.evaluation.latent_markdown import as_markdown
from streamfer.evaluation.latent_per import main
from streamfer.evaluation.latent_runs import Answers, Arm, planned
from streamfer.evaluation.latent_tables import all_tables, comparison
from streamfer.models.latent_per import Latent
from streamfer.training.backbones.teaching_faces import ExamFaces
from tests.support.backbone_runs import TINY, run_options
from tests.support.labelled_faces import drawn_face


def exam(classes: list[int]) -> Exams:
    blank = np.zeros((len(classes), 64, 64), np.uint8)
    faces = ExamFaces(blank, np.zeros((len(classes), 1, 1), np.float16), np.array(classes))
    turned = np.arange(len(classes)) < len(classes) // 4
    return Exams({PLAIN: faces}, turned, "x")


def answers(classes: list[int], wrong: int, first: int = 0) -> Answers:
    """Right but for so many faces, from the first-th on."""
    told = np.array(classes)
    told[first : first + wrong] = (told[first : first + wrong] + 1) % 7
    return Answers({PLAIN: np.eye(7, dtype=np.float32)[told]}, indices=9)


CLASSES = [i % 7 for i in range(80)]


def arms(wrong: dict[Latent, list[int]]) -> dict[Arm, Answers]:
    return {
        Arm("dan", latent, seed): answers(CLASSES, count)
        for latent, counts in wrong.items()
        for seed, count in enumerate(counts)
    }


@pytest.mark.parametrize(
    ("without", "with_latent", "verdict"),
    [
        ([30, 32, 31], [10, 12, 11], "better"),
        ([10, 12, 11], [30, 32, 31], "worse"),
        ([30, 32], [10, 12], "fewer than three seeds"),
        ([30, 30, 30], [29, 29, 29], "no difference shown"),
        ([30, 10, 30], [10, 11, 10], "no difference shown"),  # one seed disagrees
    ],
)
def test_a_claim_takes_three_seeds_that_agree_and_a_test(
    without: list[int], with_latent: list[int], verdict: str
) -> None:
    found = comparison(arms({"none": without, "mean": with_latent}), "dan", PLAIN, exam(CLASSES))
    assert found is not None
    assert found["verdict"] == verdict
    gains = [(a - b) / 80 for a, b in zip(without, with_latent, strict=True)]
    assert list(found["difference"]["per_seed"].values()) == pytest.approx(gains)
    assert found["difference"]["mean"] == pytest.approx(np.mean(gains))
    assert found["difference"]["sd"] == pytest.approx(np.std(gains, ddof=1))
    assert found["mcnemar"]["0"]["only_b"] == max(without[0] - with_latent[0], 0)


def test_what_is_not_trained_is_null() -> None:
    answered = arms({"none": [20], "mean": [10], "full": [15]})
    latents: tuple[Latent, ...] = ("none", "mean", "full", "median")
    tables = all_tables(answered, exam(CLASSES), ("dan", "rul"), latents)
    assert tables["table_1"]["dan"]["with"] == {
        "per_seed": {"0": pytest.approx(70 / 80)},
        "mean": pytest.approx(70 / 80),
        "sd": None,
    }
    assert tables["table_1"]["rul"]["comparison"] is None
    assert list(tables["tables_2_4"]) == ["full", "median", "mean"]
    assert tables["tables_2_4"]["mean"]["indices"] == 9
    assert tables["tables_2_4"]["median"]["indices"] is None
    assert tables["tables_2_4"]["mean"]["against_full"]["dan"]["a"] == "full"
    assert np.sum(tables["confusion"]["dan"]["none"]) == 80
    assert tables["confusion"]["rul"]["none"] is None
    assert tables["faces"] == {PLAIN: 80, "turned": 20}
    # All that are wrong are among the turned faces, which come first.
    assert tables["where"]["turned"]["dan"]["together"]["accuracy_b"] == pytest.approx(0.5)
    text = as_markdown({**tables, "missing": ["x"], "planned": 8, "table_5": None, "trunk": "own"})
    assert "| dan | 1 | 75.00 % | 87.50 % | +12.50 | 0.002 | fewer than three seeds |" in text
    assert "| 0 | 9 | 81.25 % | – |" in text
    assert "Not trained yet: 1 of 8 runs." in text


def test_the_first_seed_of_all_comes_first() -> None:
    plan = list(planned(("vgg19", "dan"), ("dacl",), ("none", "mean"), seeds=2))
    assert [arm.folder for arm in plan] == [
        *("vgg19-none-seed0", "vgg19-mean-seed0", "dan-none-seed0", "dan-mean-seed0"),
        *("vgg19-none-seed1", "vgg19-mean-seed1", "dan-none-seed1", "dan-mean-seed1"),
        *("dacl-none-seed0", "dacl-mean-seed0"),
    ]


def test_conditions_change_faces_as_they_say() -> None:
    crops = np.stack([drawn_face(i, i, 64) for i in range(4)])
    for name in CONDITIONS:
        changed = under(name, crops)
        assert changed.shape == crops.shape
        assert changed.dtype == np.uint8
        assert np.array_equal(changed, under(name, crops))
        assert not np.array_equal(changed, crops)
    assert ((under("covered", crops) == 128) & (crops != 128)).mean() == pytest.approx(
        0.25, abs=0.02
    )
    assert under("dark", crops).mean() < crops.mean() / 4
    for name in ("blurred", "far"):
        steps = [
            np.abs(np.diff(c.astype(float), axis=2)).mean() for c in (under(name, crops), crops)
        ]
        assert steps[0] < 0.8 * steps[1]


def test_the_most_turned_fifth_is_found() -> None:
    frontal = np.array([[20, 26], [44, 26], [32, 38], [24, 48], [40, 48]], np.float32)
    points = np.repeat(frontal[None], 10, axis=0)
    points[3, 2, 0] += 9
    points[7, 2, 0] -= 8
    points[9] = np.nan
    assert np.flatnonzero(most_turned(points)).tolist() == [3, 7]


def test_the_command_trains_what_is_missing_and_then_collects(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = [*run_options(tmp_path, 64, 28), *TINY, "--style", "sketch", "--seeds", "1"]
    options += ["--runs", str(tmp_path / "runs"), "--json", str(tmp_path / "t.json")]
    options += ["--backbones", "vgg19", "--latents", "none,mean"]
    assert main(options) == 0
    assert "Not trained yet: 2 of 2 runs." in capsys.readouterr().out
    assert main([*options, "--train", "--confusion", str(tmp_path / "drawn")]) == 0
    trained = json.loads((tmp_path / "t.json").read_text())
    assert trained["missing"] == []
    assert trained["schema"] == "streamfer.latent_per_tables/1"
    assert (trained["style"], trained["label_set"]) == ("sketch", "ferplus")
    assert trained["faces"]["plain"] == 28
    assert {path.name for path in (tmp_path / "drawn").iterdir()} == {
        "vgg19-none.png",
        "vgg19-mean.png",
    }
    done = capsys.readouterr().err
    assert "vgg19-mean-seed0: done" in done
    # Answers that are lost are given again by the weights; nothing is trained.
    (tmp_path / "runs/sketch/vgg19-mean-seed0/answers.npz").unlink()
    assert main(options) == 0
    assert json.loads((tmp_path / "t.json").read_text()) == trained
    assert "epoch" not in capsys.readouterr().err


def test_arms_may_share_a_trunk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = [*run_options(tmp_path, 64, 28), *TINY, "--seeds", "1", "--bf16", "--shared-trunk"]
    options += ["--runs", str(tmp_path / "runs"), "--json", str(tmp_path / "t.json")]
    options += ["--backbones", "vgg19", "--latents", "none,full,mean"]
    assert main([*options, "--train"]) == 0
    said = capsys.readouterr()
    assert "share it, trained without codes" in said.out
    # One backbone is trained; the arms on it take no epochs that are worth a line.
    assert said.err.count("epoch 1, loss") == 1
    trained = json.loads((tmp_path / "t.json").read_text())
    assert (trained["trunk"], trained["missing"]) == ("shared", [])
    folders = {path.name for path in (tmp_path / "runs/photo").iterdir()}
    arms = {f"vgg19-{latent}-seed0-shared" for latent in ("none", "full", "mean")}
    assert folders == {"vgg19-none-seed0", *arms}
    # A trunk that is trained, here as an arm with a backbone of its own, is taken as it is.
    (tmp_path / "runs/photo/vgg19-full-seed0-shared/answers.npz").unlink()
    assert main([*options, "--train"]) == 0
    assert "epoch" not in capsys.readouterr().err
    assert json.loads((tmp_path / "t.json").read_text()) == trained
    # Not where it is of another recipe.
    (tmp_path / "runs/photo/vgg19-full-seed0-shared/answers.npz").unlink()
    assert main([*options, "--train", "--width", "0.1"]) == 2
    assert "was trained with width 0.03, not 0.1" in capsys.readouterr().err


def test_wrong_options_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["--data", "x", "--backbones", "vgg16"])
    assert "'vgg16': expected some of vgg19,resnet18" in capsys.readouterr().err
    assert main(["--data", str(tmp_path / "none"), "--seeds", "0"]) == 2
    assert "--seeds: at least 1" in capsys.readouterr().err
    assert main(["--data", str(tmp_path / "none")]) == 2
    assert "no such file or folder" in capsys.readouterr().err
