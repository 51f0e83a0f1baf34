"""Writes constraints.txt: the exact version of everything that scripts/setup.sh installs, for each Python.

Run it by hand when a dependency is to move, with one interpreter of every supported version:
`python scripts/pin.py --hold torch==2.13.0 python3.11 python3.12 python3.13`. It asks pip to resolve pyproject.toml
with all extras, and installs nothing. `--hold` keeps a package where it is: torch moves only together with new golden
outputs, for its kernels round differently from release to release.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# What a fresh environment brings or the set-up puts there first.
TOOLS = ("pip", "setuptools")
HEADER = """\
# The exact version of everything that scripts/setup.sh installs. Written by scripts/pin.py; do not edit by hand.
# A line with a marker holds for those versions of Python only.
"""


def resolve(python: str, hold: list[str]) -> tuple[str, dict[str, str]]:
    """(X.Y, {name: version}) that pip would install for that interpreter; local versions (+cpu) are cut off."""
    version = subprocess.run(
        [python, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"], check=True, capture_output=True, text=True
    ).stdout.strip()
    command = [python, "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed", "--report", "-"]
    report = subprocess.run(
        [*command, *TOOLS, *hold, f"{ROOT}[vs,dev]"], check=True, stdout=subprocess.PIPE, text=True, cwd=ROOT
    ).stdout
    found = {}
    for item in json.loads(report)["install"]:
        name = item["metadata"]["name"].lower().replace("_", "-").replace(".", "-")
        if name != "alanet":
            found[name] = item["metadata"]["version"].split("+")[0]
    return version, found


def merge(resolved: dict[str, dict[str, str]]) -> list[str]:
    """One line per name and version, with a marker where the Pythons differ."""
    pythons = sorted(resolved, key=lambda version: tuple(map(int, version.split("."))))
    versions: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for python in pythons:
        for name, version in resolved[python].items():
            versions[name][version].append(python)
    lines = []
    for name in sorted(versions):
        if len(versions[name]) == 1:
            lines.append(f"{name}=={next(iter(versions[name]))}")
            continue
        for version, users in versions[name].items():
            # The newest version holds for the Pythons still to come, too.
            upward = users[-1] == pythons[-1]
            marker = f"python_version >= '{users[0]}'" if upward else f"python_version <= '{users[-1]}'"
            if not upward and users[0] != pythons[0]:
                marker = f"python_version >= '{users[0]}' and {marker}"
            lines.append(f"{name}=={version} ; {marker}")
    return lines


def main() -> int:
    """Resolve for every interpreter named, and write the file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("python", nargs="+", help="an interpreter of each supported version")
    parser.add_argument("--hold", action="append", default=[], metavar="NAME==VERSION", help="keep this version")
    args = parser.parse_args()
    lines = merge(dict(resolve(python, args.hold) for python in args.python))
    (ROOT / "constraints.txt").write_text(HEADER + "\n".join(lines) + "\n", encoding="ascii")
    print(f"constraints.txt: {len(lines)} pins")
    return 0


if __name__ == "__main__":
    sys.exit(main())
