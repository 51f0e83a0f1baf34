#!/usr/bin/env bash
# Goes on training a preset that ships with weights:
#
#     scripts/train.sh PRESET OUT [MINUTES]
#
# The first call begins with the weights in the tree, each later one goes on where the last one stopped; so it may be
# called on every day of work, and stopped with Ctrl-C at any moment. Photographs and clips are looked for in
# ../shared/data, or where ALANET_DATA says; ALANET_CLIPS may name another folder of clips, such as one without those that
# a card's figures are measured on. It runs at the lowest priority: a machine that is busy leaves it nothing.
set -euo pipefail
cd "$(dirname "$0")/.."

preset=${1:?alanet: PRESET must be one with weights (fine, fast), got nothing; scripts/train.sh PRESET OUT [MINUTES]}
out=${2:?alanet: OUT must be a folder for weights, state and log, got nothing; scripts/train.sh PRESET OUT [MINUTES]}
minutes=${3:-60}
if [ ! -f "alanet_core/weights/$preset.safetensors" ]; then
    echo "alanet: PRESET must be one with weights in alanet_core/weights, got $preset; use fine" >&2
    exit 2
fi
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

begin=(--init "alanet_core/weights/$preset.safetensors")
if [ -f "$out/state.safetensors" ]; then
    begin=(--resume)
fi
exec .venv/bin/alanet train --photos "$data/photos" --clips "${ALANET_CLIPS:-$data/clips}" --out "$out" --minutes "$minutes" \
    --nice 19 "${begin[@]}"
