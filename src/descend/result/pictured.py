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
        from descend.show.surface import plane_of, plot_surface, way_drawn

        seen = self._evidence.surface(self)
        way = way_drawn(self, seen.way)
        plane = plane_of(seen.names, seen.varied, way, way[-1], over)
        return plot_surface(self, plane, way, seen.loss, path)

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
        from descend.show.plots import left_at

        course = course_of(self, "a picture of the gradients").up_to(left_at(self))
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

    @ends_at_users_line
    def plot_boundary(
        self: Any, path: str | os.PathLike[str] | None = None, over: Sequence[str] | None = None
    ) -> Figure:
        """Draw which class is likeliest at each place of two columns, with the rows.

        Args:
            over: the names of two columns, where there are more; the others are at their medians,
                and the picture says so. Columns of an array are called `x[0]`, `x[1]`, ….

        Raises:
            UsageError: the path cannot be written, there are no such columns, or no classes.
        """
        from descend.show.boundary import plot_boundary
        from descend.show.classes import Classified

        told = self._classified()
        return plot_boundary(self, told or Classified((), self.y, self.fitted, False), over, path)

    @ends_at_users_line
    def plot_neurons(
        self: Any, path: str | os.PathLike[str] | None = None, over: Sequence[str] | None = None
    ) -> Figure:
        """Draw what every unit of a network makes of the plane of two columns, layer by layer.

        Between the layers stand the weights as lines, wide where they are large. Of a layer of many
        units those with the largest weights to the next layer are drawn.

        Args:
            over: as of `plot_boundary`.

        Raises:
            UsageError: the path cannot be written, there are no such columns, the model is no
                network of columns, or the fit was loaded from a file.
        """
        from descend.result.neurons import neurons_of
        from descend.show.neurons import plot_neurons

        run = self._evidence.ran("its units")
        layers, names, x, y, rows, held = neurons_of(self, run, over)
        return plot_neurons(self, layers, names, x, y, rows, held, path)
