#!/usr/bin/env bash
# Sets up what is needed and runs the tests in every environment that has some. Arguments go to pytest, in .venv only.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
scripts/setup.sh dev
failed=0 elsewhere='' own=()
if [ -x .venv-gst/bin/python ]; then
    # GStreamer's loader runs another Python than VapourSynth: its tests and the core's run there, beside the others.
    own=(--ignore=tests/hosts/gst)
    if [ $# = 0 ]; then
        folders=(tests/core)
        [ ! -d tests/hosts/gst ] || folders+=(tests/hosts/gst)
        log=$(mktemp)
        .venv-gst/bin/python -m pytest -q -p no:cacheprovider "${folders[@]}" >"$log" 2>&1 &
        elsewhere=$!
        trap 'kill "$elsewhere" 2>/dev/null || true; rm -f "$log"' EXIT
    fi
fi
.venv/bin/python -m pytest -q "${own[@]}" "$@" || failed=1
if [ -n "$elsewhere" ]; then
    wait "$elsewhere" || failed=1
    echo "in .venv-gst, the environment of GStreamer's loader:"
    cat "$log"
fi
exit $failed
