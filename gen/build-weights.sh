#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# build-weights.sh [DIRECTORY] - train the shipped models from the checked-in data
#
# Without DIRECTORY they go where they are shipped, weights/. The same data, options and seed give
# the same bytes on any machine; a test holds the checked-in models to that.
set -euo pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
out=${1:-$top/weights}
gen=${BPFAHEAD_GEN:-$top/build/bpfahead-gen}

"$gen" train "$top/weights/data/default.csv.gz" -o "$out/default.bin" \
	--name default --generation 1 --seed 1 --epochs 600 --patience 80 --weight-decay 0.1
