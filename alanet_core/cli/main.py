"""The command `alanet`: finds the command's module, runs it, and turns what goes wrong into one line and an exit code.

Exit codes: 0 fine, 1 something failed, 2 bad input or arguments (refused at the door, nothing written), 3 delivered in
part (a damaged file), 130 Ctrl-C.
"""

import argparse
import contextlib
import importlib
import importlib.util
import os
import signal
import sys
import traceback
from collections.abc import Iterator, Sequence
from types import FrameType
from typing import NoReturn, Protocol

from alanet_core._version import __version__
from alanet_core.errors import AlanetError, ConfigError, DeviceError, FrameError, RefusedError, WeightsError

COMMANDS = {
    "enhance": "make a blurry, low-rate video sharp, at twice the rate",
    "demo": "make a blurry clip, enhance it, and show what came of it",
    "models": "list the models that ship, their cost and their memory",
    "doctor": "say what is installed, what is not, and how to mend it",
    "eval": "measure a model on high-rate clips, by the paper's protocol",
    "bench": "measure speed and memory on this machine",
    "train": "train a network on photographs and clips of your own",
}
"""What `alanet --help` lists; a command's module is imported only when it is called."""

FAILED, REFUSED, INTERRUPTED = 1, 2, 130
AT_THE_DOOR = (ConfigError, DeviceError, FrameError, RefusedError, WeightsError)


class Command(Protocol):
    """What a module of this folder offers."""

    def add_parser(self, sub: "argparse._SubParsersAction[Parser]") -> None:
        """Add the command to argparse's subparsers, with `run` as its default."""


class Parser(argparse.ArgumentParser):
    """An argparse parser whose complaints are one line, like all others of this command."""

    def error(self, message: str) -> NoReturn:
        """Print what is wrong and leave with 2."""
        self.exit(REFUSED, f"alanet: {message}; see `{self.prog} --help`\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line `argv` (default: sys.argv) -> the exit code. Writes nothing but what the command says."""
    words = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in words
    words = [word for word in words if word != "--debug"]
    with _interrupts():
        try:
            return _run(words)
        except KeyboardInterrupt:
            return _told("interrupted; nothing is left behind", INTERRUPTED, debug=debug)
        except AlanetError as error:
            return _told(str(error), REFUSED if isinstance(error, AT_THE_DOOR) else FAILED, debug=debug)
        except BrokenPipeError:
            with contextlib.suppress(OSError):  # whoever read our stdout has gone; nothing more can be said there
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return FAILED
        except Exception as error:  # noqa: BLE001 - a fault of ours, told in one line all the same
            words_of_error = " ".join(str(error).split()) or type(error).__name__
            return _told(f"failed: {words_of_error}; --debug shows where", FAILED, debug=debug)


def _run(words: list[str]) -> int:
    parser = Parser(prog="alanet", description="Deblurs video and doubles its frame rate in one pass.")
    parser.add_argument("--version", action="version", version=f"alanet {__version__}")
    parser.add_argument("--debug", action="store_true", help="show where an error came from")
    sub = parser.add_subparsers(metavar="COMMAND", title="commands", parser_class=Parser)
    called = next((word for word in words if not word.startswith("-")), None)
    for name, words_of_help in COMMANDS.items():
        module = f"{__package__}.{name}"
        if name == called and importlib.util.find_spec(module) is not None:
            command: Command = importlib.import_module(module)
            command.add_parser(sub)
        elif importlib.util.find_spec(module) is not None:
            sub.add_parser(name, help=words_of_help)
    args = parser.parse_args(words)
    if not hasattr(args, "run"):
        parser.print_help()
        return 0
    code = args.run(args)
    sys.stdout.flush()
    assert isinstance(code, int), "a command's run gives its exit code"
    return code


def _told(words: str, code: int, *, debug: bool) -> int:
    if debug:
        traceback.print_exc()
    print(f"alanet: {words}", file=sys.stderr)
    return code


@contextlib.contextmanager
def _interrupts() -> Iterator[None]:
    """Let SIGTERM end the command as Ctrl-C does, and let neither disturb the cleaning up that follows the first."""
    signals = (signal.SIGINT, signal.SIGTERM)

    def interrupt(number: int, frame: FrameType | None) -> NoReturn:  # noqa: ARG001 - the signature of a handler
        for other in signals:
            signal.signal(other, signal.SIG_IGN)
        raise KeyboardInterrupt

    before = [signal.signal(number, interrupt) for number in signals]
    try:
        yield
    finally:
        for number, handler in zip(signals, before, strict=True):
            signal.signal(number, handler)


if __name__ == "__main__":
    sys.exit(main())
