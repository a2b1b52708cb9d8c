"""Which calls of `fit` are read in full, and which are served by the plan of an earlier one."""

import importlib

import pytest

import descend

fit_module = importlib.import_module("descend.train.fit")
READ = []


@pytest.fixture(autouse=True)
def counted(monkeypatch):
    """Every call that is read in full is counted."""
    read = fit_module.Reading
    monkeypatch.setattr(
        fit_module, "Reading", lambda *given, **more: READ.append(given) or read(*given, **more)
    )


def fitted(*given, **options):
    READ.clear()
    return descend.fit(*given, **options)


def served(fit):
    """Whether the last call was served by the plan of an earlier one."""
    return isinstance(fit, descend.Fit) and not READ
