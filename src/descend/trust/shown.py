"""What the methods on uncertainty return: records that can also be printed and drawn."""

from __future__ import annotations

import dataclasses
import os
from typing import TYPE_CHECKING, Any, TypeVar

from descend.records.record import jsonable
from descend.show.layout import Section, as_html, as_text
from descend.show.numbers import WIDTH
from descend.trust.bootstrap import BootstrapRecord
from descend.trust.contour import ContourRecord
from descend.trust.diagnostics import DiagnosticsRecord
from descend.trust.intervals import Interval, IntervalsRecord
from descend.trust.plots import (
    plot_bootstrap,
    plot_contour,
    plot_diagnostics,
    plot_profile,
)
from descend.trust.profile import ProfileRecord
from descend.trust.report import (
    bootstrap_notes,
    bootstrap_sections,
    contour_sections,
    diagnostics_sections,
    intervals_sections,
    profile_sections,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Bootstrap", "Contour", "Diagnostics", "Intervals", "Profile", "dressed"]

T = TypeVar("T")
Path = str | os.PathLike[str] | None


def dressed(cls: type[T], record: Any) -> T:
    """The record as the class that can show it."""
    return cls(**{f.name: getattr(record, f.name) for f in dataclasses.fields(record)})


class _Shown:
    """A record with a report."""

    def _told(self) -> tuple[str, list[Section]]:
        raise NotImplementedError

    def report(self, width: int = WIDTH) -> str:
        """Return the report, which `print` prints."""
        title, sections = self._told()
        return as_text(title, sections, width)

    def to_json_dict(self) -> dict[str, Any]:
        """Return all fields as plain Python values, ready for `json.dumps(allow_nan=False)`."""
        named = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}  # type: ignore[arg-type]
        return {name: _plain(value) for name, value in named.items()}

    def __str__(self) -> str:
        return self.report()

    def __repr__(self) -> str:
        return f"<{self.report().splitlines()[0]}>"

    def _repr_html_(self) -> str:
        return as_html(*self._told())


def _plain(value: Any) -> Any:
    """Records inside of records become dicts as well."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: _plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if hasattr(value, "_asdict"):
        return {name: _plain(entry) for name, entry in value._asdict().items()}
    if isinstance(value, dict):
        return {name: _plain(entry) for name, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    return jsonable(value)


class Intervals(_Shown, IntervalsRecord):
    """The interval of every free number, read like a dict: `low, high = intervals["a"]`."""

    def _told(self) -> tuple[str, list[Section]]:
        return f"Intervals of {self.level:.4g} by {self.kind}", intervals_sections(self)


class Profile(_Shown, ProfileRecord):
    """The profile of one parameter: `low`, `high`, and the way there."""

    def _told(self) -> tuple[str, list[Section]]:
        return f"Profile of {self.name} at {self.level:.4g}", profile_sections(self)

    def plot(self, path: Path = None) -> Figure:
        """Draw the rise of the fit along the parameter, and how the others follow.

        Raises:
            UsageError: the path cannot be written.
        """
        return plot_profile(self, path)


class Contour(_Shown, ContourRecord):
    """Regions of two parameters together."""

    def _told(self) -> tuple[str, list[Section]]:
        return f"Regions of {self.names[0]} and {self.names[1]}", contour_sections(self)

    def plot(self, path: Path = None) -> Figure:
        """Draw the regions.

        Raises:
            UsageError: the path cannot be written.
        """
        return plot_contour(self, path)


class Bootstrap(_Shown, BootstrapRecord):
    """Many fits to data drawn anew."""

    def _told(self) -> tuple[str, list[Section]]:
        return f"Bootstrap of {self.n} fits ({self.kind})", bootstrap_sections(self)

    def intervals(self, level: float = 0.95, kind: str = "bca") -> Intervals:
        """The intervals of all parameters: `bca`, `percentile` or `basic`.

        Raises:
            UsageError: there is no such kind, or the level is no number between 0 and 1.
        """
        ends = self.limits(level, kind)
        best = dict(zip(self.names, map(float, self.best), strict=True))
        rows = zip(self.names, ends, strict=True)
        entries = {name: Interval(float(low), float(high)) for name, (low, high) in rows}
        word = "BCa" if kind == "bca" else kind
        title = f"the {word} bootstrap ({self.kind}, {self.n} fits)"
        notes = tuple(bootstrap_notes(self, level, kind))
        return Intervals(title, level, best, entries, notes)

    def plot(self, path: Path = None, level: float = 0.95) -> Figure:
        """Draw the distribution of each parameter.

        Raises:
            UsageError: the path cannot be written.
        """
        return plot_bootstrap(self, path, level)


class Diagnostics(_Shown, DiagnosticsRecord):
    """Tests of the residuals, and the weight of each row."""

    def _told(self) -> tuple[str, list[Section]]:
        return "Diagnostics of the residuals", diagnostics_sections(self)

    def plot(self, path: Path = None) -> Figure:
        """Draw residuals in order, against normal quantiles, and the weight of each row.

        Raises:
            UsageError: the path cannot be written.
        """
        return plot_diagnostics(self, path)
