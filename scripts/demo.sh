#!/usr/bin/env bash
# Sets up what is needed and enhances a clip whose sharp original is known: a video, a picture, a figure.
# Arguments go to `alanet demo`.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
"$root/scripts/setup.sh" run
# Threads that spin while they wait rob each other where cores are shared: 129 s against 30 s on two busy ones.
export OMP_WAIT_POLICY=${OMP_WAIT_POLICY:-passive}
exec "$root/.venv/bin/alanet" demo "$@"
