"""The table of options: of `fit`, `fit_many`, `fit_global`, `minimize` and the command line.

A row is all that is known of an option but for what it does. From it come the checks of its
value, its default, its place on the command line with its line of help, and the answers to what
SciPy, lmfit, scikit-learn, Keras and PyTorch call it. A name may have several rows, where entries
or commands mean different things by it. The signatures of the entries repeat names and defaults,
for editors and type checkers; a test compares them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from descend.task.checks import CHECKS, check_choice

__all__ = [
    "ENTRIES", "REQUIRED", "TABLE", "TOLERANCES", "VARYING", "Option", "command_rows", "default_of",
    "names_of",
]  # fmt: skip

TOLERANCES = ("xtol", "ftol", "gtol")
ABSENT = ("number", "switch")  # kinds that None stands for nothing said of
REQUIRED = ...  # the default of what has to be said


class Option(NamedTuple):
    """One row of the table.

    Attributes:
        name: as it is written in Python.
        kind: what its values are: one of `CHECKS` (`either` is a switch that is neither on nor off
            by default); choices with `|` between them; `real` and `whole` for numbers that are
            checked where they are used; `text`, `words` (a text that may begin with a hyphen),
            `texts` (several of these); or empty.
        entries: the functions that take it.
        default: of these functions; of the commands where there are none. Commands leave what was
            not written to the functions.
        commands: those of the command line that take it.
        heading: under which their help lists it.
        help: its line there. `{owners}` and the like stand for methods: see `cli.options`.
        foreign: what others call it.
        needs: another option without which it says nothing, with the words for that and a remedy.
        flag: how it is spelled on the command line, if otherwise than in Python.
        also: a second spelling there.
        planned: whether a call that gives it may be looked up in the table of plans.
        varies: of which entry the default is another one for some models; its signature has None.
    """

    name: str
    kind: str
    entries: str
    default: Any = None
    commands: str = ""
    heading: str = ""
    help: str = ""
    foreign: str = ""
    needs: tuple[str, str, str] | None = None
    flag: str = ""
    also: str = ""
    planned: bool = False
    varies: str = ""

    @property
    def written(self) -> str:
        """The option as it is written on the command line."""
        return "--" + (self.flag or self.name).replace("_", "-")

    def read(self, value: Any) -> Any:
        """The value, checked; None stands for what was not said where that is the default."""
        if value is None and (self.default is None or self.varies or self.kind in ABSENT):
            return None
        if "|" in self.kind:
            return check_choice(self.name, value, self.kind.split("|"))
        return CHECKS[self.kind](self.name, value) if self.kind in CHECKS else value


_EVERY = "fit fit_global fit_many minimize"
_FITS = "fit fit_global fit_many"
_LONG = "fit fit_global minimize"
_ONE = "fit fit_global"
_STEPS = "fit explain minimize"
_ALL = "fit minimize grad explain predict"
_TABLES = "fit explain predict"
_BOUND, _RUN, _METHOD = "Fixed, bounded, tied", "Run", "Method"
_STOP, _DATA, _FILES, _OUTPUT = "Stopping", "Data", "Files", "Output"
_COLUMN = "Names that are parameters although a column has nearly the same name."

TABLE: tuple[Option, ...] = (
    Option("at", "words", "", None, "explain", help="The point: x1=1,x2=1."),
    Option("at", "words", "", REQUIRED, "grad", help="The point: x1=1,x2=1,x3=1."),
    Option("start", "words", "fit", None, "fit", planned=True,
           help='Where to begin: a=1,b=2, "random", or a saved fit (.descend).',
           foreign="p0 x0 initial init params"),
    Option("start", "", "fit_global fit_many minimize", planned=True,
           foreign="p0 x0 initial init params"),
    Option("start", "words", "", REQUIRED, "minimize", help="Where to begin: x1=1,x2=1."),
    Option("start", "words", "", None, "explain",
           help="The parameters' values: a=1,b=2, or a saved fit."),
    Option("params", "text", _FITS, None, "fit explain", help=_COLUMN, planned=True),
    Option("maximize", "switch", "", None, "minimize", help="Go up instead of down."),
    Option("max_iter", "count", "minimize", 1000, "minimize", planned=True,
           help="How many steps at most.",
           foreign="maxfev max_nfev epochs n_epochs iterations maxiter"),
    Option("max_iter", "count", "fit_many", 1000,
           foreign="maxfev max_nfev epochs n_epochs iterations maxiter"),
    Option("starts", "count", "minimize", 1, "minimize",
           help="Descend from this many starts, and keep the lowest end."),
    Option("record", "records", _ONE, (), "fit", planned=True,
           help="What --history keeps besides the loss: params, gradient."),
    Option("record", "records", "minimize", (), "minimize", planned=True,
           help="What --history keeps besides the value: params, gradient; with --plot params, to "
           "draw the way."),
    Option("seed", "seed", "minimize", 0, "minimize", planned=True,
           help="Decides what is random; 0 where not given.", foreign="random_state rng"),
    Option("by", "text", "fit_many", None, "fit",
           help="Fit each group of rows by itself: those with the same value in this column, or "
           "in all of a,b. --save then writes a table with one row a group (.parquet, .csv, "
           ".tsv, .json)."),
    Option("dim", "", "fit_many", foreign="coords reduce_dims"),
    Option("to", "", "fit_many"),
    Option("restart", "switch", "fit_many", False, "fit",
           help="With --by, --stream and --save: throw away what an ended run has left of it."),
    Option("by", "text", "", None, "predict",
           help="Of a global fit: the column that says which dataset a row is of."),
    Option("dataset", "text", "", None, "predict",
           help="Of a global fit: the dataset that all rows are of."),
    Option("shared", "text", "fit_global", None, "fit",
           help="With --by: fit the groups together; these parameters are one number for all."),
    Option("local", "", "fit_global"),
    Option("names", "", "fit_global"),
    Option("port", "whole", "", 0, "studio",
           help="Of the loopback address; a free one if none is given."),
    Option("open", "either", "", True, "studio",
           help="Whether a browser is opened on the page."),
    Option("last", "whole", "", 20, "runs", help="How many are listed."),
    Option("forget", "switch", "", None, "runs", help="Throw all of them away."),
    Option("lesson", "text", "", None, "studio",
           help="A lesson to open: its name, or a Markdown file of your own."),
    Option("report", "text", "", None, "studio",
           help="Write a page that plays the descent into this file (.html), and show nothing."),
    Option("row", "whole", "", 0, "explain", help="The row of the table, counted from 0."),
    Option("svg", "text", "", None, "explain", _FILES,
           "Draw the graph with its numbers into this file (.svg)."),
    Option("html", "text", "", None, "explain", _FILES,
           "Write the explanation as a page into this file (.html)."),
    Option("parameter", "text", "", None, "explain",
           help="The parameter whose chain rule is written out; else of the first few."),
    Option("lang", "en|zh", "", "en", "explain", help="The language of the words."),
    Option("loss", "text", "", "mse", "explain", help="mse, mae, huber(1), …."),
    Option("to", "text", "", None, "predict",
           help="Write columns and predictions into this file (.csv, .tsv, .json, .parquet) "
           "instead of printing the predictions.", also="--out"),

    Option("fixed", "texts", _EVERY, None, _STEPS, _BOUND, flag="fix", planned=True,
           help="Keep a parameter where it starts, or at a value: a or a=3.", foreign="vary fix"),
    Option("bounds", "texts", _EVERY, None, _STEPS, _BOUND, flag="bound", planned=True,
           help="Keep a parameter within bounds: a=0: or a=:5 or a=0:5."),
    Option("ties", "texts", _EVERY, None, _STEPS, _BOUND, flag="tie", planned=True,
           help='Make a parameter an expression of others: "b = 2*a".'),

    Option("loss", "text", _FITS, "mse", "fit", _RUN,
           "mse, mae, huber(1), soft_l1(1), cauchy(1), arctan(1), tukey(1), log_cosh, "
           "quantile(0.9), poisson, bce, ….", "loss_function f_scale criterion", planned=True,
           varies="fit"),
    Option("likelihood", "switch", _EVERY, False, "minimize", _RUN,
           "The formula is a negative log-likelihood (with --maximize, a log-likelihood), whose "
           "second derivatives give standard errors.", planned=True),
    Option("penalty", "text", _ONE, None, "fit", _RUN,
           "l2(0.001) or l1(0.001), added to the loss.", planned=True),
    Option("epochs", "count", _ONE, 1000, "fit", _RUN, "How often all rows are used, at most.",
           "maxfev max_nfev max_iter n_epochs iterations maxiter", planned=True, varies="fit"),
    Option("batch_size", "count", "fit", None, "fit", _RUN,
           "Rows used for one update; all where not given.", planned=True),
    Option("accumulate", "count", "fit", 1, "fit", _RUN,
           "How many batches make one update together.",
           "gradient_accumulation_steps accumulate_grad_batches", planned=True),
    Option("ema", "number", "fit", None, "fit", _RUN,
           "Return a moving average of the parameters, of which this share goes on: 0.999.",
           "use_ema ema_momentum ema_decay", planned=True),
    Option("shuffle", "either", _ONE, None, "fit", _RUN,
           "Batches in a new order each epoch; they are where smaller than the data.",
           planned=True),
    Option("stop_loss", "number", _ONE, None, "fit", _RUN,
           "Stop when an epoch's running mean of the loss is below this.", planned=True),
    Option("validation_split", "number", "fit", 0.0, "fit", _RUN,
           "Keep this share of the rows aside and show their loss.", "validation_fraction"),
    Option("validation_data", "", "fit"),
    Option("metrics", "names", "fit", ()),
    Option("class_weight", "", "fit", foreign="class_weights"),
    Option("keep_best", "switch", _ONE, None, "fit", _RUN,
           "Return the best parameters met instead of the last."),
    Option("starts", "count", _FITS, None, "fit", _RUN,
           "Fit from this many starts, and keep the best.", planned=True),
    Option("seed", "seed", _FITS, 0, "fit", _RUN,
           "Decides shuffling and random starts; 0 where not given.", "random_state rng",
           planned=True),
    Option("threads", "count", _FITS, None, "fit", _RUN,
           "How many may work on the fits of --by, on many rows or on a network; else one a core.",
           "n_jobs workers", planned=True),

    Option("lr", "real", _LONG, None, _STEPS, _METHOD, "Learning rate.",
           "learning_rate_init learning_rate eta0", planned=True),
    Option("lr_factors", "", "fit", foreign="lr_mult lr_multipliers param_groups"),
    Option("schedule", "text", "", None, _STEPS, _METHOD,
           "Course of the learning rate: step(10, 0.5), exponential(0.95), cosine(100), "
           "plateau(0.5, 5), warmup(5), or warmup(5)+cosine(100)."),
    Option("momentum", "real", "", None, _STEPS, _METHOD, "{owners}."),
    Option("dampening", "real", "", None, _STEPS, _METHOD, "{owners}."),
    Option("nesterov", "switch", "", None, _STEPS, _METHOD, "{owners}."),
    Option("weight_decay", "real", "", None, _STEPS, _METHOD, "{owners}."),
    Option("betas", "text", "", None, _STEPS, _METHOD, "{owners}: two numbers, 0.9,0.999."),
    Option("eps", "real", "", None, _STEPS, _METHOD, "{owners}."),
    Option("alpha", "real", "", None, _STEPS, _METHOD, "{owners}."),
    Option("centered", "switch", "", None, _STEPS, _METHOD, "{owners}."),
    Option("amsgrad", "switch", "", None, _STEPS, _METHOD, "{owners}."),
    Option("lr_decay", "real", "", None, _STEPS, _METHOD, "{owners}."),
    Option("initial_accumulator_value", "real", "", None, _STEPS, _METHOD, "{owners}."),
    Option("radius", "real", "", None, _STEPS, _METHOD,
           "{owners}: the first trusted length, as a share of the parameters' length."),
    Option("history_size", "whole", "", None, _STEPS, _METHOD,
           "{owners}: how many steps it remembers."),
    Option("edge", "real", "", None, _STEPS, _METHOD,
           "{owners}: the first edges, as a share of the parameters."),
    Option("restarts", "whole", "", None, _STEPS, _METHOD,
           "{owners}: how often it begins anew where it has stopped, at most."),
    Option("clip_value", "real", "", None, _STEPS, _METHOD,
           "Each number of the gradient is kept within this."),
    Option("clip_norm", "real", "", None, _STEPS, _METHOD,
           "The gradient's length is kept within this."),
    Option("optimizer", "text", _FITS, None, "fit explain", _METHOD, "{fitters}; or {steppers}.",
           "method solver", planned=True),
    Option("optimizer", "text", "minimize", None, "minimize", _METHOD,
           "{minimizers}; or {steppers}.", "method solver", planned=True),
    Option("acceleration", "real", "", None, "fit explain", _METHOD,
           "{owners}: how far a step may bend, as a share of its length; 0 leaves it out."),

    Option("xtol", "number", _EVERY, None, "fit minimize", _STOP,
           "The parameters move by less than this fraction.", planned=True),
    Option("ftol", "number", _EVERY, None, "fit minimize", _STOP,
           "The loss can fall by less than this fraction.", "tol", planned=True),
    Option("gtol", "number", _EVERY, None, "fit minimize", _STOP,
           "The gradient is smaller than this.", planned=True),
    Option("patience", "count", _LONG, None, "fit minimize", _STOP,
           "This many epochs without improvement.", "n_iter_no_change early_stopping",
           planned=True),
    Option("min_delta", "number", _LONG, 0.0, "fit minimize", _STOP,
           "What counts as an improvement.", planned=True,
           needs=("patience", "min_delta belongs to patience", "write patience=10 as well")),
    Option("max_seconds", "positive", _LONG, None, "fit minimize", _STOP, "The time allowed.",
           "timeout"),

    Option("sql", "text", "", None, "fit explain predict", _DATA,
           "A query whose result is the table; the file is called data in it."),
    Option("sheet", "text", "", None, _TABLES, _DATA,
           "The sheet of a workbook: its name, or its number from 1."),
    Option("encoding", "text", "", None, _TABLES, _DATA,
           "The encoding of a text file: utf-8, utf-16, gb18030, cp1252, …."),
    Option("decimal", "words", "", None, _TABLES, _DATA, 'The sign before decimals: "." or ",".'),
    Option("thousands", "words", "", None, _TABLES, _DATA,
           'The sign between thousands: ",", ".", " " or apostrophe.'),
    Option("sep", "words", "", None, _TABLES, _DATA,
           'The sign between columns: ",", ";", tab, or space for any number of blanks.'),
    Option("header", "whole", "", None, _TABLES, _DATA,
           "How many lines at the top are no data: 0 none, 1 names, 2 names and units."),
    Option("skip", "whole", "", None, _TABLES, _DATA, "How many lines come before all that."),
    Option("names", "text", "", None, _TABLES, _DATA,
           "The columns' names, instead of those in the file: t,v."),
    Option("missing", "raise|drop", "fit", "raise", "fit explain predict", _DATA,
           '"raise" refuses rows with missing or infinite values, "drop" leaves them out.',
           "nan_policy check_finite", planned=True),
    Option("missing", "skip|drop|raise", "fit_many", "skip", foreign="nan_policy check_finite"),
    Option("sigma", "text", _FITS, None, "fit", _DATA,
           "The column with the standard deviations of the target.",
           "yerr err error errors dy", planned=True),
    Option("absolute_sigma", "switch", _FITS, False, "fit", _DATA,
           "Sigma is in the target's units, not only relative.", planned=True,
           needs=("sigma", "absolute_sigma says something of sigma, and there is none",
                  "write sigma=…")),
    Option("sample_weight", "text", _FITS, None, "fit", _DATA,
           "The column by which each row's loss is multiplied.", planned=True),

    Option("stream", "either", "fit", None, "fit predict", _DATA,
           "Go through the rows in passes, without holding them in memory; else where they are too "
           "many for it."),
    Option("scratch", "text", "fit fit_many", None, "fit predict", _DATA,
           "The directory for rows that can be read only once, or slowly, while they are gone "
           "through in passes; where it is named, for the numbers of Parquet too."),
    Option("on", "", "fit fit_many", foreign="client scheduler"),
    Option("cluster", "text", "", None, "fit", _RUN,
           "The scheduler of a Dask cluster, whose workers go through the rows of files or do the "
           "fits of --by: tls://host:8786, or tcp://, by which whoever reaches it can run code."),

    Option("plot", "text", "", None, "fit minimize", _FILES,
           "Draw the result and the course of the descent into this file (.png, .svg, .pdf)."),
    Option("plot_surface", "text", "", None, "fit", _FILES,
           "Draw the loss over two parameters, and the way of the descent, into this file."),
    Option("plot_boundary", "text", "", None, "fit", _FILES,
           "Draw which class is likeliest over two columns into this file."),
    Option("over", "text", "", None, "fit", _FILES,
           "The two parameters of --plot-surface, or columns of --plot-boundary: a,b."),
    Option("plot_paths", "text", "", None, "fit", _FILES,
           "Draw every parameter over the epochs into this file."),
    Option("plot_gradients", "text", "", None, "fit", _FILES,
           "Draw the norm of the gradient by each parameter over the epochs into this file."),
    Option("animate", "text", "", None, "fit", _FILES,
           "Draw the descent as a film into this file (.gif; .mp4 where ffmpeg is found)."),
    Option("plot_race", "text", "", None, "fit", _FILES,
           "Draw the losses of the runs of --race in one picture, into this file."),
    Option("race", "words", "", None, "fit", _FILES,
           "What --plot-race compares: methods (sgd,adam), or values of a number (lr=0.01,0.1)."),
    Option("plot_rates", "text", "", None, "fit", _FILES,
           "Draw what the loss comes to over the learning rate, into this file."),
    Option("rates", "words", "", None, "fit", _FILES,
           "The rates of --plot-rates: 0.001,0.01,0.1; else about the edge of divergence."),
    Option("plot_batch_sizes", "text", "", None, "fit", _FILES,
           "Draw what the loss comes to over the size of the batches, into this file."),
    Option("plot_map", "text", "", None, "fit", _FILES,
           "Draw what whole trainings come to over two numbers, into this file."),
    Option("map", "words", "", None, "fit", _FILES,
           "The two numbers of --plot-map: lr=0.001:1,batch_size=1:64; a third number is how many "
           "values (64)."),
    Option("history", "text", "", None, "fit minimize", _FILES,
           "Write what each epoch or iteration came to into this file (.csv, .tsv, .json)."),
    Option("save", "text", "", None, "fit", _FILES,
           "Keep the fit in this file (.descend), for predict, --start and --resume."),
    Option("checkpoint", "place", "fit", None, "fit", _FILES,
           "Keep the state of the run in this file while it goes on."),
    Option("resume", "text", "fit", None, "fit", _FILES,
           "Go on from this checkpoint or saved fit.", "warm_start"),
    Option("json", "switch", "", None, f"{_ALL} runs", _OUTPUT,
           "One JSON object on standard output and nothing else, errors included."),
    Option("verbose", "switch", "", None, _ALL, _OUTPUT,
           "The loss of each epoch; the traceback of an internal error."),
    Option("quiet", "switch", "", None, _ALL, _OUTPUT, "Nothing but warnings and errors."),
    Option("watch", "switch", "", None, "fit", _OUTPUT,
           "Draw curve and loss on the terminal while it goes on."),

    Option("constants", "", _FITS),
    Option("covariance", "switch", "fit_many", False),
    Option("clip", "function", _LONG, planned=True),
    Option("standardize", "switch", "fit", False, varies="fit"),
    Option("callback", "function", _LONG, foreign="callbacks iter_cb"),
    Option("progress", "", _EVERY),
    Option("verbose", "switch", _LONG, False),
    Option("engine", "native|interpreted", _LONG, "native", planned=True),
)  # fmt: skip
"""In the order in which the help of a command lists them."""

ENTRIES: Mapping[str, Mapping[str, Option]] = {
    entry: {row.name: row for row in TABLE if entry in row.entries.split()}
    for entry in _EVERY.split()
}
"""Entry → name → the row that holds there."""

VARYING = tuple(row.name for row in TABLE if row.varies)


def names_of(entry: str) -> tuple[str, ...]:
    """The options of an entry."""
    return tuple(ENTRIES[entry])


def default_of(entry: str, name: str) -> Any:
    """What an entry takes an option for that is not said."""
    return ENTRIES[entry][name].default


def command_rows(command: str) -> dict[str, Option]:
    """The options of a command, by their names in Python."""
    return {row.name: row for row in TABLE if command in row.commands.split()}
