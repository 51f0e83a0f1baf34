#!/usr/bin/env bash
# All checks, the same for people and for CI. `--quick` leaves the tests out.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
scripts/setup.sh dev
bin=.venv/bin
$bin/ruff check .
$bin/ruff format --check .
$bin/mypy
$bin/mypy scripts benchmarks hatch_build.py
$bin/lint-imports --no-cache
[ "${1:-}" = --quick ] || scripts/test.sh
