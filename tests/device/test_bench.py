from __future__ import annotations

import pytest

from tests.device.bench import main


def test_the_measurement_runs_where_there_is_no_gpu(capsys: pytest.CaptureFixture[str]) -> None:
    sizes = ["--size", "64x64", "--pictures", "2", "--faces", "1", "--rounds", "1"]
    main(["--device", "cpu", *sizes])
    shown = capsys.readouterr().out
    assert "2 pictures, 2 faces" in shown
    assert "whole path: picture to boxes and answers" in shown
    assert "detector retinaface-mobilenet0.25, face network vgg19 at full width" in shown
