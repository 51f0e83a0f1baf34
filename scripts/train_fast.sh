#!/usr/bin/env bash
# The exact command that made, and goes on making, the weights of the preset `fast`:
#
#     scripts/train_fast.sh OUT [MINUTES]
#
# The first call begins with the weights in the tree, each later one goes on where the last one stopped; so it may be
# called on every day of work, and stopped with Ctrl-C at any moment. Photographs and clips are looked for in
# ../shared/data, or where ALANET_DATA says. It runs at the lowest priority: a machine that is busy leaves it nothing.
set -euo pipefail
cd "$(dirname "$0")/.."

out=${1:?alanet: OUT must be a folder for weights, state and log; scripts/train_fast.sh OUT [MINUTES]}
minutes=${2:-60}
data=${ALANET_DATA:-../shared/data}
if [ ! -d "$data/photos" ]; then
    echo "alanet: ALANET_DATA must be a folder with photos/ and clips/, got $data; set it to yours" >&2
    exit 2
fi
if [ ! -x .venv/bin/alanet ]; then
    echo "alanet: .venv must be a finished environment, got none; run scripts/setup.sh" >&2
    exit 2
fi

# Threads that spin while they wait made a step eight times as long on two cores that others used as well.
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-$(nproc)} OMP_WAIT_POLICY=passive

begin=(--init alanet_core/weights/fast.safetensors)
if [ -f "$out/state.safetensors" ]; then
    begin=(--resume)
fi
exec .venv/bin/alanet train --photos "$data/photos" --clips "$data/clips" --out "$out" --minutes "$minutes" \
    --nice 19 "${begin[@]}"
