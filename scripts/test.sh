#!/usr/bin/env bash
# Sets up what is needed and runs the tests in every environment that has some. Arguments go to pytest.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
scripts/setup.sh dev
failed=0 own=()
if [ -x .venv-gst/bin/python ]; then
    # GStreamer's loader runs another Python than VapourSynth: its tests and the core's run there.
    own=(--ignore=tests/hosts/gst)
    if [ $# = 0 ]; then
        folders=(tests/core)
        [ ! -d tests/hosts/gst ] || folders+=(tests/hosts/gst)
        .venv-gst/bin/python -m pytest -q "${folders[@]}" || failed=1
    fi
fi
.venv/bin/python -m pytest -q "${own[@]}" "$@" || failed=1
exit $failed
