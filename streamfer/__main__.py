"""`python -m streamfer`."""

from __future__ import annotations

import sys

from streamfer.app.cli import main

sys.exit(main())
