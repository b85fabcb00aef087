"""The command line: a table of commands, each imported when it is called.

Only click is imported here, so that ``dlkit --help`` costs no more than Python and click. Exit codes: 0 done,
1 data or run-time error (or a bug, with its traceback), 2 usage or recipe, 130 interrupted, 143 terminated,
141 the reader of a pipe has gone.
"""

import contextlib
import importlib
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import click
from click.shell_completion import CompletionItem

from dlkit.errors import Interrupted, UsageError, UserError


class Entry(NamedTuple):
    """One line of the table."""

    module: str
    """An algorithm module has ALGORITHM, the module of a verb has `command`."""
    help: str
    """Equal to the command's own first line of help (a test)."""
    section: str = "Train"


LAUNCHED = ("OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK")
"""Environment variables of processes that mpiexec or srun started."""

FINISHED = "Use a finished run"
HELPERS = "Help with it all"

COMMANDS: dict[str, Entry] = {
    "train-mlp": Entry(
        "dlkit.algorithms.mlp",
        "A network of dense layers that learns classes or numbers from the rows of a table.",
    ),
    "train-cnn": Entry(
        "dlkit.algorithms.cnn",
        "A network of convolutions that learns classes or numbers from images.",
    ),
    "seq2seq": Entry(
        "dlkit.algorithms.seq2seq",
        "An encoder and a decoder with attention that learn to turn one sentence into another.",
    ),
    "gan": Entry(
        "dlkit.algorithms.gan",
        "A generator that learns to make images like those it is shown, by deceiving a discriminator.",
    ),
    "vae": Entry(
        "dlkit.algorithms.vae",
        "An encoder and a decoder that learn a code for images, and to make new ones from it.",
    ),
    "qlearn": Entry(
        "dlkit.algorithms.qlearn",
        "Agents that learn by trial and error what to do in a world, and how good that is, exactly.",
    ),
    "bayes-nb": Entry(
        "dlkit.algorithms.bayes_nb",
        "Naive Bayes for tables and texts: counts by class in one pass, posteriors by Bayes' rule.",
    ),
    "mf": Entry(
        "dlkit.algorithms.mf",
        "Matrix factorisation of ratings: who will like what, from who rated what.",
    ),
    "word2vec": Entry(
        "dlkit.algorithms.word2vec",
        "Vectors of words, items and documents from the company they keep in text or sequences.",
    ),
    "apriori": Entry(
        "dlkit.algorithms.apriori", "Frequent item sets and association rules from baskets of items."
    ),
    "rnn": Entry(
        "dlkit.algorithms.rnn",
        "A recurrent network that learns to foretell the next symbol of a text, or the class of a sequence.",
    ),
    "lda": Entry(
        "dlkit.algorithms.lda",
        "Topics of documents: which words go together, and which topics each document has.",
    ),
    "bandit": Entry(
        "dlkit.algorithms.bandit",
        "Decisions under uncertainty: which action to take in which context, learnt from its rewards.",
    ),
    "active": Entry(
        "dlkit.algorithms.active",
        "Which rows are worth a label: train, ask about the rows that the model knows least, train again.",
    ),
    "predict": Entry(
        "dlkit.verbs.predict",
        "Answers of a finished run for new rows, as CSV on standard output or in a file.",
        FINISHED,
    ),
    "evaluate": Entry(
        "dlkit.verbs.evaluate",
        "Figures of a finished run on labelled rows, one `name value` a line on standard output.",
        FINISHED,
    ),
    "sample": Entry(
        "dlkit.verbs.sample",
        "New examples from a finished run: pictures as PNG with their paths, or text, on standard output.",
        FINISHED,
    ),
    "similar": Entry(
        "dlkit.verbs.similar", "What is near to an item or a word, nearest first, as CSV.", FINISHED
    ),
    "recommend": Entry(
        "dlkit.verbs.recommend", "What to offer to a user or beside a basket, best first, as CSV.", FINISHED
    ),
    "inspect": Entry(
        "dlkit.verbs.inspect",
        "What is in a run: layer table, metrics so far, recipe, provenance; pictures of what it has learnt.",
        FINISHED,
    ),
    "plot": Entry("dlkit.verbs.plot", "Curves of one or several runs' metrics as PNG, SVG or PDF.", FINISHED),
    "report": Entry(
        "dlkit.verbs.report",
        "One HTML file about one or several runs, to explore offline; of a folder of runs an index.",
        FINISHED,
    ),
    "export": Entry(
        "dlkit.verbs.export",
        "What a run has learnt in a format that other programs read; paths on standard output.",
        FINISHED,
    ),
    "reproduce": Entry(
        "dlkit.verbs.reproduce",
        "Train again from a run's recipe and say whether the bytes agree; if not, what differs.",
        FINISHED,
    ),
    "recipe": Entry(
        "dlkit.verbs.recipe",
        "Recipes: start a new one, check some, or print the schema for an editor.",
        HELPERS,
    ),
    "data": Entry(
        "dlkit.verbs.data",
        "Data sets that recipes name: list them, fetch one and check it, say where it is.",
        HELPERS,
    ),
    "doctor": Entry(
        "dlkit.verbs.doctor",
        "What this machine has for dlkit, what works, and the cure for what does not.",
        HELPERS,
    ),
}


class Commands(click.Group):
    """A group that reads names and help from the table and imports a command when it is called."""

    def __init__(self, table: dict[str, Entry] = COMMANDS, **settings: Any) -> None:
        super().__init__(**settings)
        self.table = table

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.table)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        entry = self.table.get(cmd_name)
        if entry is None:
            return None
        module = importlib.import_module(entry.module)
        if hasattr(module, "ALGORITHM"):
            from dlkit.verbs.train import training_command

            command = training_command(cmd_name, module)
        else:
            command = module.command
        _add_debug(command)
        return command

    def algorithm(self, name: str) -> Any:
        """The Algorithm class of a training command. Raises UsageError for any other name."""
        names = [one for one, entry in self.table.items() if entry.section == "Train"]
        if name not in names:
            raise UsageError(f'no command that trains is called "{name}"', hint=suggestion(name, names))
        return importlib.import_module(self.table[name].module).ALGORITHM

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in self.table and not args[0].startswith("-"):
            hint = suggestion(args[0], self.table)
            if args[0].endswith((".yaml", ".yml")):
                hint = f"dlkit COMMAND {args[0]}"
            raise UsageError(f'no command is called "{args[0]}"', hint=hint or "see dlkit --help")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for section in dict.fromkeys(entry.section for entry in self.table.values()):
            with formatter.section(section):
                rows = [(name, one.help) for name, one in self.table.items() if one.section == section]
                formatter.write_dl(rows)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        names = [
            CompletionItem(name, help=entry.help)
            for name, entry in self.table.items()
            if name.startswith(incomplete)
        ]
        return [*names, *click.Command.shell_complete(self, ctx, incomplete)]


def suggestion(word: str, names: Any) -> str | None:
    """``did you mean train-mlp?`` for the nearest name."""
    from difflib import get_close_matches

    near = get_close_matches(word.lower(), names, n=1, cutoff=0.6)
    return f"did you mean {near[0]}?" if near else None


def _add_debug(command: click.Command) -> None:
    """--debug for every command, subcommands included; `main` looks for it on the command line."""
    if not any("--debug" in option.opts for option in command.params):
        text = "Show the traceback of every error."
        command.params.append(click.Option(["--debug"], is_flag=True, expose_value=False, help=text))
    if isinstance(command, click.Group):
        for inner in command.commands.values():
            _add_debug(inner)


def _print_versions(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if not value or ctx.resilient_parsing:
        return
    from dlkit.verbs.versions import versions

    click.echo("\n".join(versions()))
    ctx.exit()


cli = Commands(
    name="dlkit",
    help="Learning algorithms from plain files: one command each, from recipe to prediction.",
    epilog="dlkit COMMAND --help tells a command's options and shows examples.",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    no_args_is_help=True,
    params=[
        click.Option(
            ["--version"],
            is_flag=True,
            is_eager=True,
            expose_value=False,
            callback=_print_versions,
            help="Show the versions of dlkit, Python, NumPy and the backends.",
        ),
        click.Option(
            ["--debug"], is_flag=True, expose_value=False, help="Show the traceback of every error."
        ),
    ],
)


def main(arguments: Sequence[str] | None = None, commands: Commands = cli) -> int:
    """Run a command line (default: this process's); returns the exit code. Errors are told on stderr."""
    args = list(sys.argv[1:] if arguments is None else arguments)
    if "_DLKIT_COMPLETE" in os.environ:
        commands.main(args, prog_name="dlkit", complete_var="_DLKIT_COMPLETE")
    debug = "--debug" in args
    try:
        code = _run(commands, args, debug)
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        _discard(sys.stdout)
        return 141
    except OSError as error:  # standard output on a full disk
        _discard(sys.stdout)
        return _tell(f"cannot write standard output: {error.strerror or error}", 1)


def _run(commands: Commands, args: list[str], debug: bool) -> int:
    try:
        with commands.make_context("dlkit", args) as ctx:
            commands.invoke(ctx)
        return 0
    except click.exceptions.Exit as done:
        return done.exit_code
    except BrokenPipeError:
        raise
    except (Exception, KeyboardInterrupt) as error:
        raised = error
        return _one_voice(lambda: _report(raised, debug))


def _one_voice(report: Callable[[], int]) -> int:
    """Of several processes that a launcher started, one reports what all of them run into."""
    if not any(name in os.environ for name in LAUNCHED):
        return report()
    from dlkit.backend.launch import one_voice

    return one_voice(report)


def _report(raised: BaseException, debug: bool) -> int:
    """Tell what was raised; returns the exit code."""
    try:
        raise raised
    except click.exceptions.NoArgsIsHelpError as error:
        print(error.format_message(), file=sys.stderr)
        return 2
    except click.UsageError as error:
        _trace(debug)
        return _tell(_usage_line(error), 2)
    except click.ClickException as error:
        _trace(debug)
        return _tell(error.format_message(), error.exit_code)
    except UserError as error:
        _trace(debug)
        for problem in error.problems:
            _tell(str(problem), error.exit_code)
        return error.exit_code
    except Interrupted as stop:
        _trace(debug)
        print(stop, file=sys.stderr)
        return stop.exit_code
    except (KeyboardInterrupt, click.Abort):
        return 130
    except MemoryError as error:
        _trace(debug)
        return _tell(f"out of memory{f': {error}' if str(error) else ''}", 1)
    except OSError as error:  # a full disk, a file that went away: nothing that dlkit could have known
        _trace(debug)
        place = "" if error.filename is None else f"{error.filename}: "
        return _tell(f"{place}{error.strerror or error}", 1)
    except Exception as error:
        return _bug(error)


def _usage_line(error: click.UsageError) -> str:
    """click's several lines as one: what is wrong, and where to read on."""
    text = " ".join(error.format_message().split()).rstrip(".")
    ctx = error.ctx
    if (
        isinstance(error, click.BadParameter)
        and not isinstance(error, click.MissingParameter)
        and error.param
    ):
        opts = error.param.opts if isinstance(error.param, click.Option) else []
        spelled = [one for one in opts if one.startswith("--")] or opts or [error.param.human_readable_name]
        return f"{spelled[0]}: {error.message.rstrip('.')}"
    if isinstance(error, click.NoSuchOption):
        text = f"no option is called {error.option_name}"
        names = (
            [one for param in ctx.command.get_params(ctx) for one in (*param.opts, *param.secondary_opts)]
            if ctx
            else []
        )
        if hint := suggestion(error.option_name, [name for name in names if name.startswith("--")]):
            return f"{text} ({hint})"
    page = f"{ctx.command_path} --help" if ctx else "dlkit --help"
    return f"{text[:1].lower()}{text[1:]} (see {page})"


def _tell(line: str, code: int) -> int:
    """One line on stderr; what a file or a name may hold to steer a terminal is shown, not sent."""
    shown = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in " ".join(line.split()))
    print(f"error: {shown}", file=sys.stderr)
    return code


def _trace(wanted: bool) -> None:
    if wanted:
        traceback.print_exc()


def _bug(error: Exception) -> int:
    traceback.print_exc()
    return _tell(f"internal error: {type(error).__name__}: {error} (this is a bug in dlkit)", 1)


def _discard(stream: Any) -> None:
    """Let the interpreter's last flush of a broken stream go nowhere."""
    with contextlib.suppress(OSError, ValueError, AttributeError):  # a stream without a descriptor
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
