#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# build-weights.sh [DIRECTORY [NAME...]] - train the shipped models from the checked-in data
#
# Without DIRECTORY they go where they are shipped, weights/; without NAME all of them. The same
# data, options and seed give the same bytes on any machine; a test holds the checked-in models to
# that, and on arm64, too.
#
# No part is kept aside to say when to stop: the number of epochs was chosen once, by the tables of
# the model cards, and then every recorded run trains.
set -euo pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
out=${1:-$top/weights} only=" ${*:2} "
gen=${BPFAHEAD_GEN:-$top/build/bpfahead-gen}

classic=avg_distance_bytes,jump_ratio,avg_io_bytes,seq_ratio,iops
block=avg_distance_bytes,jump_ratio,avg_io_bytes,stream_ratio,run_bytes

train() { # NAME "DATA..." OPTION...
	local name=$1 data
	read -ra data <<<"$2"
	shift 2
	[ "$only" = '  ' ] || [[ $only == *" $name "* ]] || return 0
	data=("${data[@]/#/$top/weights/data/}")
	"$gen" train "${data[@]/%/.csv.gz}" -o "$out/$name.bin" --name "$name" \
		--generation 2 --seed 1 --validation 0 --dropout 0 "$@"
}

train default 'default older' --epochs 300 --weight-decay 0.02
# The block layer sees no end of a file: small ones that are read whole are a stream to it.
train block default --generation 3 --features "$block" --merge small-files:sequential --batch 512 --epochs 300 \
	--weight-decay 0.02
train classic5 classic5 --features "$classic" --linear --epochs 200
