"""Rows of a source that are not trained on, and the labels of its target."""

from __future__ import annotations

import numpy as np

from descend.data.allowed import memory_free
from descend.data.room import in_bytes
from descend.data.streams.apart import MOST_LABELS, Apart, Held, Labels, binned, counted
from descend.data.streams.opened import SHARE
from descend.data.streams.stream import Stream
from descend.data.streams.survey import Survey
from descend.errors import UsageError
from descend.methods.table import as_loss
from descend.methods.targets import OF_CLASSES
from descend.result.resume import seed_of
from descend.task.goals import goal_of
from descend.task.held import check_not_single, check_share
from descend.task.options import Options

__all__ = ["held_back", "labels_of"]

BYTES = 16  # of a number that is held back: it is read in pieces, and joined


def labels_of(model: object, stream: Stream, target: str, options: Options) -> Labels | None:
    """The labels of the target, where a network or class_weight asks for them.

    Raises:
        UsageError: there are too many of them to be told apart.
    """
    is_network = hasattr(model, "as_layer")
    if not is_network and options.class_weight is None:
        return None
    at = stream.names.index(target)
    found = counted(piece.columns[at] for piece in stream.blocks())
    if found.counts is not None:
        return found
    many = f"{target} holds more than {MOST_LABELS} values"
    if options.class_weight is not None:
        raise UsageError(
            f"class_weight weights classes, and {many}",
            remedy="write sample_weight=… to weight rows",
        )
    if options.loss is not None and as_loss(options.loss).domain in OF_CLASSES:
        raise UsageError(
            f'loss "{as_loss(options.loss).spelling}" tells classes apart, and {many}',
            remedy="hold the rows in memory: stream=False",
        )
    return found


def held_back(
    model: object, stream: Stream, survey: Survey, target: str, labels: Labels | None,
    options: Options,
) -> tuple[Survey, Held | None, Labels | None]:  # fmt: skip
    """Hold back the rows of validation_split.

    Returns:
        what there is to say of the rows that remain, those that are held back, and how many rows
        that remain have each label.

    Raises:
        UsageError: the share leaves nothing on one of the two sides, or takes too much memory.
        DataError: a class has a single row.
    """
    share, seed, at = options.validation_split, int(options.seed), stream.names.index(target)
    if not share:
        return survey, None, labels
    check_share(share, survey.n_rows)
    need, free = share * survey.n_rows * len(stream.names) * BYTES, memory_free()
    if free is not None and need > SHARE * free:
        raise UsageError(
            f"validation_split={share!r} holds back {in_bytes(need)}, more than half of the "
            f"{in_bytes(free)} of memory that are free",
            remedy=f"hold back less: validation_split={0.9 * share * SHARE * free / need:.2g}",
        )
    if options.resume is not None:
        seed = seed_of(options.resume, seed)
    bins = values = None
    if hasattr(model, "as_layer") and labels is not None and labels.counts is not None:
        classes = goal_of(labels.values, options.loss, target).classes
        if classes is not None:
            check_not_single(labels.counts, classes)
            values, pieces = labels.values, ((p.first, p.columns[at]) for p in stream.blocks())
            bins = binned(pieces, values, seed)
    apart = Apart(share, seed, values, bins, at)
    survey = stream.hold_back(apart)
    held = apart.rows(stream.names)
    if labels is not None and labels.counts is not None:
        gone = np.searchsorted(labels.values, held.columns[target])
        left = labels.counts - np.bincount(gone, minlength=len(labels.counts))
        kept = slice(None) if hasattr(model, "as_layer") else left > 0
        labels = Labels(labels.values[kept], left[kept])
    return survey, held, labels
