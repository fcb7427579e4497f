#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The shipped models are what the checked-in data makes, byte for byte, and their cards say so.
# MODELS: only these of them, by name.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

T=$(mktemp -d)

read -ra names <<<"${MODELS:-}"
if [ ${#names[@]} = 0 ]; then
	shipped=("$TOP"/weights/*.bin)
else
	shipped=("${names[@]/#/$TOP/weights/}")
	shipped=("${shipped[@]/%/.bin}")
fi
ok 'build-weights.sh trains' "$TOP/gen/build-weights.sh" "$T" "${names[@]}" >"$T/log"
for model in "${shipped[@]}"; do
	name=$(basename "$model" .bin)
	ok "$name.bin is rebuilt bit for bit" cmp "$model" "$T/$name.bin"
	checksum=$("$BPFAHEAD_GEN" info "$model" | sed -n 's/^checksum: //p')
	ok "$name.md names its checksum $checksum" grep -q "$checksum" "$TOP/weights/$name.md"
done
built=("$T"/*.bin)
is "${#built[@]}" "${#shipped[@]}" 'every shipped model is built, and nothing else'

done_testing
