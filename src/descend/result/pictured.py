"""The methods of `Fit` that draw its course; what they need is loaded when they are asked for."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from descend.errors import ends_at_users_line

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from descend.show.animation import Moving

__all__ = ["Pictured"]


class Pictured:
    """What `Fit` can draw beside itself."""

    __slots__ = ()

    _evidence: Any

    @ends_at_users_line
    def plot_surface(
        self: Any, path: str | os.PathLike[str] | None = None, over: Sequence[str] | None = None
    ) -> Figure:
        """Draw the loss over two parameters, with the way of the descent on it.

        The way is known where the fit has `record=["params"]`; else start and end are drawn.

        Args:
            over: two names of numbers, such as `("a", "w[0]")`; by default the two that vary, or,
                of more, the two directions along which the way spreads most.

        Raises:
            UsageError: the path cannot be written, there are no such numbers, the way is not known
                where it is needed, or the fit was loaded from a file.
        """
        from descend.show.surface import plane_of, plot_surface

        seen = self._evidence.surface(self)
        plane = plane_of(seen.names, seen.varied, seen.way, seen.way[-1], over)
        return plot_surface(self, plane, seen.way, seen.loss, path)

    @ends_at_users_line
    def plot_paths(self: Any, path: str | os.PathLike[str] | None = None) -> Figure:
        """Draw every parameter over the epochs.

        The fit needs `record=["params"]`. Of many parameters there is a panel for each array, with
        as many of its numbers as can be told apart.

        Raises:
            UsageError: the path cannot be written, or the parameters were not recorded.
        """
        from descend.result.courses import course_of
        from descend.show.courses import plot_paths

        course = course_of(self, "a picture of the parameters")
        still = {*self.fixed, *self.ties}
        names, way = course.numbers([n for n in course.params if n not in still])
        return plot_paths(self, names, course.epochs, way, path)

    @ends_at_users_line
    def plot_gradients(self: Any, path: str | os.PathLike[str] | None = None) -> Figure:
        """Draw the norm of the loss's gradient by each layer over the epochs.

        It is worked out on all rows, at the parameters of up to 60 epochs, of which there are more
        where the descent begins. The fit needs `record=["params"]`. Where the gradient of the first
        layer is less than a thousandth of the last one's (vanishing), or more than a thousand times
        as large (exploding), the picture says so. Of a model that is no network there is a line for
        each parameter.

        Raises:
            UsageError: the path cannot be written, the parameters were not recorded, or the fit was
                loaded from a file.
        """
        from descend.result.courses import course_of, gradient_norms
        from descend.show.courses import plot_gradients

        course = course_of(self, "a picture of the gradients")
        run = self._evidence.ran("the gradients")
        return plot_gradients(self, *gradient_norms(run, course), path)

    @ends_at_users_line
    def animate(self: Any, path: str | os.PathLike[str] | None = None) -> Moving:
        """Draw the descent as a film: the model goes to the data while the loss falls.

        It has up to 60 pictures, of which more are of the beginning, where most happens. Of a model
        of one column its curve moves, of several the predictions beside the actual values, of
        classes over one or two columns their boundary; where two numbers vary, a ball rolls over
        the loss. The fit needs `record=["params"]`.

        Args:
            path: a .gif, or an .mp4 where ffmpeg is found; None only returns the film, which shows
                itself in a notebook. It is at most 2 MB large.

        Raises:
            UsageError: the path cannot be written, or needs ffmpeg; the parameters were not
                recorded; the fit was loaded from a file.
        """
        from descend.result.courses import course_of, film_of
        from descend.show.animation import animated, check_animation

        if path is not None:
            check_animation(path)
        return animated(self, film_of(self, course_of(self, "a film of the descent")), path)
