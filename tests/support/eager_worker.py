"""The child process of refinement with the priority of everybody else: beside other tests on a busy
machine the idle time that it waits for may not come."""

from __future__ import annotations

import sys
from unittest.mock import patch

from streamfer.models.inversion import worker

if __name__ == "__main__":
    with patch.object(worker, "_yield_to_everybody"):
        sys.exit(worker.main())
