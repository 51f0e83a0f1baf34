#!/usr/bin/env bash
# Trains on a machine with a GPU for some minutes, and leaves small files:
#
#     scripts/gpu_train.sh PACK OUT MINUTES [alanet train's options]
#
# PACK: what scripts/gpu_pack.py made; where Python there lacks PyAV, also its wheel. OUT gets weights.safetensors (under
# 16 MiB) and log.jsonl; the state to go on from lies in OUT/state (30 MiB). It goes on where OUT/state was left, begins
# with the weights in the tree otherwise, or untrained with `--config PRESET`.
set -euo pipefail
cd "$(dirname "$0")/.."

pack=${1:?alanet: PACK must be a folder, got nothing; scripts/gpu_train.sh PACK OUT MINUTES}
out=${2:?alanet: OUT must be a folder, got nothing; scripts/gpu_train.sh PACK OUT MINUTES}
minutes=${3:?alanet: MINUTES must be a number, got nothing; scripts/gpu_train.sh PACK OUT MINUTES}
shift 3
python=${PYTHON:-python3}
"$python" -c 'import av' 2>/dev/null || "$python" -m pip install -q --no-deps --no-index "$pack"/av-*.whl
mkdir -p "$out"
if [ -f "$out/state/state.safetensors" ]; then
    set -- --resume "$@"
elif [[ " $* " != *" --config "* ]]; then
    set -- --init alanet_core/weights/fine.safetensors "$@"
fi
if [ "$1" != --resume ]; then
    set -- --batch 32 --size 192 "$@"
fi
workers=$(($(nproc) - 2))
# Workers that each take all cores for a single sample get in each other's way.
export OMP_NUM_THREADS=1 PYTHONPATH=.
"$python" -m alanet_core.cli.main train --photos "$pack/photos" --clips "$pack/clips" --out "$out/state" \
    --minutes "$minutes" --workers $((workers < 1 ? 1 : workers)) "$@"
cp "$out/state/weights.safetensors" "$out/state/log.jsonl" "$out/"
