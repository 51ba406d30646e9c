from __future__ import annotations

import pytest

from streamfer.errors import ConfigError
from streamfer.training.reading import Reading


@pytest.mark.parametrize("rule", ["folder:", "folder:0", "folder:x", "folder:²", "file:1"])
def test_a_rule_that_names_no_folder_is_refused(rule: str) -> None:
    with pytest.raises(ConfigError, match="--subjects: expected folder:N, pattern:REGEX"):
        Reading(subjects=rule)
