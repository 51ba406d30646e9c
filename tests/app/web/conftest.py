from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.served_page import Page, serving


@pytest.fixture
def page() -> Iterator[Page]:
    with serving() as page:
        yield page
