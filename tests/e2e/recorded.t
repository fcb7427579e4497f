#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# float, int8 and the kernel agree: on windows that the kernel recorded with its own answer, and on
# the same windows asked again by test run.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
need fio jq

OBJECT=${BPFAHEAD_CLASSIFY:-$TOP/build/classify.bpf.o}
model=$TOP/weights/default.bin

make_loop 320
make_fs "$LOOP" ext4
fill_file "$MNT/data" 256
need_throttle 24000000 1500
start_run --dry-run
for pattern in sequential mmap-random; do
	forget "$MNT/data"
	start_reading $pattern "$MNT/data"
	nap 1
	ok "windows of $pattern are recorded" "$BPFAHEAD" record --device "$NAME" --seconds 3 --label "${pattern#mmap-}" \
		-o "$T/$pattern.csv" >"$T/record.log"
	stop_load
done
stop_run TERM

ok 'eval --kernel' "$BPFAHEAD_GEN" eval "$model" "$T/sequential.csv" "$T/mmap-random.csv" --json \
	--kernel "$OBJECT" >"$T/eval.json"
diag "$(jq -c '{kernel, recorded}' "$T/eval.json")"
diag "$(cut -d, -f1,3,8 "$T/sequential.csv" "$T/mmap-random.csv" | grep -v ^label | sort | uniq -c | tr -s ' \n' ' ')"
ok 'windows came with the answer of the model' [ "$(jq .recorded.windows "$T/eval.json")" -ge 4 ]
is "$(jq .recorded.different "$T/eval.json")" 0 'which is what int8 says here, class and margin'
is "$(jq .kernel.windows "$T/eval.json")" "$(jq .windows "$T/eval.json")" 'all were asked again'
is "$(jq .kernel.different "$T/eval.json")" 0 'with the same class, margin and logits'

# Another model: its answers are not those that were recorded, so they are not compared.
ok 'a model of these windows' "$BPFAHEAD_GEN" train "$T/sequential.csv" "$T/mmap-random.csv" \
	-o "$T/own.bin" --keep-float --epochs 20 --validation 0 --features async_share,around_share >/dev/null
ok 'eval of another model' "$BPFAHEAD_GEN" eval "$T/own.bin" "$T/sequential.csv" "$T/mmap-random.csv" \
	--json --kernel "$OBJECT" --float "$T/own.float.json" >"$T/own.json"
is "$(jq -c '[.recorded, .kernel.different]' "$T/own.json")" '[null,0]' 'is not compared with the recorded answers'
ok 'kernel and float agree' [ "$(jq '.kernel.float_agreement >= 0.99' "$T/own.json")" = true ]
# A recording that was tampered with is found out, in every window that a model answered.
awk -F, -v OFS=, 'NR == 1 { for (i = 1; i <= NF; i++) c[$i] = i } NR > 1 { $c["margin"]++ } { print }' \
	"$T/sequential.csv" >"$T/tampered.csv"
is "$("$BPFAHEAD_GEN" eval "$model" "$T/tampered.csv" --json |
	jq -c '.recorded | [.windows > 0, .windows == .different]')" '[true,true]' \
	'an answer that is not its model'\''s is counted'

# refuses NAME REGEX OBJECT: on stored windows; those of a slow machine could have a line of their own,
# of what was left out.
refuses() {
	"$BPFAHEAD_GEN" eval "$model" "$TOP/weights/data/hidden.csv.gz" --kernel "$3" >"$T/out" 2>"$T/err"
	is $? 1 "$1: exit status"
	is "$(wc -l <"$T/err")" 1 "$1: one line"
	like "$(<"$T/err")" "^bpfahead-gen: $2" "$1: says why"
}
refuses 'no such object' '/absent.o: No such file' /absent.o
refuses 'no BPF object' '.*default.bin: BPF object format invalid' "$model"
refuses 'another object' '.*no program classify' "${OBJECT%/*}/latency.bpf.o"

done_testing
