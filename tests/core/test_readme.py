"""Every example in README.md is one that works: commands are parsed by the command's own parser, Python is run."""

import argparse
import importlib
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from alanet_core.cli.main import COMMANDS

FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
README = Path(__file__).resolve().parents[2] / "README.md"


def blocks(*languages: str) -> list[str]:
    return [body for language, body in FENCE.findall(README.read_text()) if language in languages]


def parse(words: list[str]) -> argparse.Namespace:
    """What the parser of the command they name makes of the words; it must know them all."""
    assert words[0] in COMMANDS, f"`alanet {words[0]}` is no command"
    parser = argparse.ArgumentParser(exit_on_error=False)
    importlib.import_module(f"alanet_core.cli.{words[0]}").add_parser(parser.add_subparsers())
    try:
        return parser.parse_args(words)
    except SystemExit:
        pytest.fail(f"README.md shows `alanet {shlex.join(words)}`, which the command does not understand")


def commands() -> Iterator[list[str]]:
    """Each simple command of the shell examples, as words; what stands in tables in backquotes is not one."""
    for block in blocks("sh", "bash"):
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
                del words[0]
            if words:
                yield words


def test_every_fence_is_of_a_language_that_is_tested() -> None:
    assert {language for language, _ in FENCE.findall(README.read_text())} <= {"sh", "bash", "python", "text"}


@pytest.mark.parametrize("words", [pytest.param(words, id=" ".join(words)) for words in commands()])
def test_a_shell_example_is_a_command_that_exists(words: list[str], root: Path) -> None:
    program, *arguments = words
    if program in (".", "source", "cd"):
        # Environments are made by the set-up; their names are what matters.
        assert all(argument.startswith((".venv/bin/", ".venv-gst/bin/")) for argument in arguments)
    elif program == "eval":
        inner = re.fullmatch(r"\$\(python -m (\w+) \w+\)", *arguments)
        assert inner is not None
        assert (root / inner[1] / "__main__.py").is_file()
    elif program == "gst-launch-1.0":
        assert "alanet" in arguments  # such pipelines are run by tests/hosts/gst
    elif program.startswith("scripts/"):
        assert os.access(root / program, os.X_OK)
    elif Path(program).name == "alanet":
        parse(arguments)
    else:
        pytest.fail(f"README.md shows a program that no test knows: {program}")


def options_in_tables() -> list[list[str]]:
    return [shlex.split(found) for found in re.findall(r"`(--[a-z][^`]*)`", README.read_text())]


@pytest.mark.parametrize("words", [pytest.param(words, id=" ".join(words)) for words in options_in_tables()])
def test_an_option_in_the_text_is_one_of_enhance(words: list[str]) -> None:
    plain = ["enhance", "in.mp4", "out.mp4"]
    assert parse([*plain, *words]) != parse(plain), "it says what is so without it"


@pytest.mark.parametrize("number", range(len(blocks("python"))))
def test_a_python_example_runs(number: int, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", blocks("python")[number]],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert list(tmp_path.iterdir()) == []


def test_every_file_that_the_text_names_is_there(root: Path) -> None:
    text = README.read_text()
    links = re.findall(r"\]\((?!https?:)([^)#]+)", text)
    names = re.findall(r"`((?:scripts|docs|alanet_core|benchmarks)/[\w./-]+|LICENSE|constraints\.txt)`", text)
    assert "scripts/pin.py" in names
    for name in links + names:
        assert (root / name).exists(), name


def test_the_table_of_speeds_is_what_was_measured(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """README.md, speed.md and the picture are made of speed.json, and of nothing else."""
    monkeypatch.syspath_prepend(root)
    made = importlib.import_module("benchmarks.speed_report")
    report = json.loads(made.JSON.read_text())
    text = README.read_text()
    assert made.put(text, made.short(report["found"])) == text
    assert made.WHOLE.read_text() == made.page(report)
    assert made.PICTURE.read_text() == made.picture(report["found"])
