"""constraints.txt pins everything that pyproject.toml asks for and that the set-up installs, for every Python."""

import importlib.metadata
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

PYTHONS = ("3.11", "3.12", "3.13")


def pins(root: Path, python: str) -> dict[str, Version]:
    """{name: version} for one Python; a name must be pinned once."""
    found: dict[str, Version] = {}
    for line in (root / "constraints.txt").read_text().splitlines():
        if not line or line.startswith("#"):
            continue
        pin = Requirement(line)
        if pin.marker and not pin.marker.evaluate({"python_version": python, "python_full_version": f"{python}.0"}):
            continue
        (specifier,) = pin.specifier
        assert specifier.operator == "==", f"{line}: a pin must be exact"
        assert canonicalize_name(pin.name) not in found, f"{pin.name} is pinned twice for {python}"
        found[canonicalize_name(pin.name)] = Version(specifier.version)
    return found


def asked_for(root: Path) -> list[Requirement]:
    """All that pyproject.toml names: dependencies, extras, build requirements."""
    content = tomllib.loads((root / "pyproject.toml").read_text())
    project = content["project"]
    lines = [*project["dependencies"], *content["build-system"]["requires"]]
    for extra in project["optional-dependencies"].values():
        lines += extra
    return [requirement for requirement in map(Requirement, lines) if requirement.name != "alanet"]


@pytest.mark.parametrize("python", PYTHONS)
def test_every_requirement_is_pinned_to_a_version_it_allows(root: Path, python: str) -> None:
    pinned = pins(root, python)
    for requirement in asked_for(root):
        if requirement.marker and not requirement.marker.evaluate({"python_version": python}):
            continue
        name = canonicalize_name(requirement.name)
        assert name in pinned, f"{name} is not pinned for Python {python}: run scripts/pin.py"
        assert pinned[name] in requirement.specifier, f"{name} {pinned[name]} is not {requirement.specifier}"


def installed_closure() -> dict[str, Version]:
    """{name: version} of alanet's requirements and all that they require in turn, as far as they are installed."""
    found: dict[str, Version] = {}
    waiting = [("alanet", extra) for extra in ("", "vs", "dev", "test")]
    seen = set(waiting)
    while waiting:
        name, extra = waiting.pop()
        for line in importlib.metadata.requires(name) or []:
            requirement = Requirement(line)
            if requirement.marker and not requirement.marker.evaluate({"extra": extra}):
                continue
            needed = canonicalize_name(requirement.name)
            try:
                found[needed] = Version(importlib.metadata.version(needed))
            except importlib.metadata.PackageNotFoundError:
                continue  # of an extra that this environment is made without
            new = {(needed, ""), *((needed, wanted) for wanted in requirement.extras)} - seen
            seen |= new
            waiting += new
    found.pop("alanet", None)
    return found


def test_what_is_installed_is_what_is_pinned(root: Path) -> None:
    if Path(sys.prefix) not in (root / ".venv", root / ".venv-gst"):
        pytest.skip("this environment was not made by scripts/setup.sh")
    pinned = pins(root, f"{sys.version_info.major}.{sys.version_info.minor}")
    closure = installed_closure()
    assert {"torch", "sympy", "av", "pytest"} <= closure.keys()
    # A build of torch for the CPU has the same public version as the one for CUDA.
    differing = {name: str(version) for name, version in closure.items() if pinned.get(name) != Version(version.public)}
    assert differing == {}
