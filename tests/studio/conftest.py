"""The studio's tests want what its extra installs, as the tests' environment does."""

import pytest

pytest.importorskip("nicegui", reason="the extra descend[studio] is not installed")
