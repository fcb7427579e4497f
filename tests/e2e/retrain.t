#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Retraining in place: on a device of a speed and with a file system that no shipped model has
# seen, windows are recorded, a model is trained on them, tried as a shadow, judged by its own
# answers, promoted, and taken back. The helper and readers run all the time; nothing is restarted.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
need fio jq dd mkfs.xfs bpftool xxd
[ -x "$BPFAHEAD_GEN" ] || die "$BPFAHEAD_GEN is missing: make"

record_s=6 judge_s=5
[ "$FULL" = 0 ] || record_s=20 judge_s=20
# A class, and the load that is an example of it.
patterns=('pages mmap-random' 'sequential sequential' 'short-runs runs-64k')

make_loop 1152
make_fs "$LOOP" xfs
# One file each: what one load leaves in the cache would be holes in the next one.
fill_file "$MNT/mmap-random" 256
fill_file "$MNT/sequential" 512
fill_file "$MNT/runs-64k" 256
need_throttle 40000000 700
set_kb 128

# --- what has to live through all of it ---
program_ids() {
	local pin
	while read -r pin; do
		bpftool -j prog show pinned "$pin" | jq -r .id
	done < <(find "$BPFAHEAD_PIN_DIR/progs" -type f | sort)
}
acting() { status_json | jq -r .model.checksum; }
decided() { [ "$(decided_class)" = "$1" ]; }

load_listed "$BDI" || die 'bpfahead load'
ok 'the helper runs, with the shipped model' start_helper
programs=$(program_ids)
shipped=$(acting)
like "$programs" '^[0-9]+' 'the programs have ids'

# Reads past the page cache, from first to last: its windows have no readahead calls.
"${in_cgroup[@]}" "$CGROUP" fio --name=steady --filename="$MNT/runs-64k" --ioengine=psync --rw=randread \
	--bs=4k --direct=1 --rate_iops=20 --thread --time_based --runtime=3600 --allow_file_create=0 \
	--output-format=json --output="$T/steady.json" >"$T/steady.log" 2>&1 &
steady=$!
pids+=("$steady")

# The next load starts before the last one ends.
change_load() {
	local last=${LOAD_PID-}
	forget "$MNT/$1"
	start_load "$1" "$MNT/$1"
	nap 1 # until it reads
	[ -z "$last" ] || LOAD_PID=$last stop_load
	kill -0 "$LOAD_PID" || die "the load '$1' ended: $(tail -1 "$T/fio.log")"
}
record() { "$BPFAHEAD" record --label "$1" --seconds "$2" --device "$NAME" -o "$3"; }

# --- record ---
for pattern in "${patterns[@]}"; do
	read -r class load <<<"$pattern"
	change_load "$load"
	said=$(record "$class" $record_s "$T/all.csv") || diag 'record failed'
	diag "$said"
	# What began before the recording is of two patterns.
	awk -F, -v first="$(awk -F, '$3 == "hop" { print $4 - $5; exit }' "$T/all.csv")" \
		'NR == 1 || $4 - $5 >= first' "$T/all.csv" >"$T/$class.csv"
	windows=$(($(wc -l <"$T/$class.csv") - 1))
	ok "$load: windows and hops to learn from ($windows)" test "$windows" -ge 8
done

# --- train, while the last load goes on ---
train() {
	"$BPFAHEAD_GEN" train "$T/pages.csv" "$T/sequential.csv" "$T/short-runs.csv" --validation 0 \
		--epochs 200 --generation 2 --name retrained -o "$T/retrained.bin" >"$T/train.log" 2>&1
}
ok 'a model is trained on them' train || diag "$(tail -3 "$T/train.log")"
new=$("$BPFAHEAD" weights show --json "$T/retrained.bin" | jq -r '.[0].checksum')
like "$new" '^[0-9a-f]{16}$' "it has a checksum ($new)"

# --- shadow ---
ok 'weights shadow' quietly "$BPFAHEAD" weights shadow "$T/retrained.bin"
is "$(acting)" "$shipped" 'shadow: the shipped model still acts'
total=0 right=0
for pattern in "${patterns[@]}"; do
	read -r class load <<<"$pattern"
	change_load "$load"
	said=$(record "$class" $judge_s "$T/judged.csv")
	diag "$said"
	read -r r n < <(sed -nE "s/^shadow .*checksum $new: right about ([0-9]+) of ([0-9]+) .*/\1 \2/p" \
		<<<"$said")
	ok "shadow: answered windows of $class (${n:-0})" test "${n:-0}" -ge 2
	total=$((total + ${n:-0})) right=$((right + ${r:-0}))
done
ok "shadow: its own accuracy is $right of $total, at least 9 in 10" \
	test $((right * 10)) -ge $((total * 9))
compared=$(status_json | jq -r .shadow_agreement.windows)
agreed=$(status_json | jq -r .shadow_agreement.agreed)
ok "shadow: status tells how often both agree ($agreed of $compared windows)" \
	test "$compared" -ge "$total" -a "$agreed" -le "$compared"

# --- promote ---
reads=$(reads_completed)
ok 'weights promote' quietly "$BPFAHEAD" weights promote
is "$(acting)" "$new" 'promote: the new model acts'
is "$(status_json | jq -r .shadow)" null "promote: the shadow's place is empty"
lines=$(wc -l <"$T/run.err")
change_load mmap-random
ok 'promote: it decides about the next load' wait_for 12 decided pages
said_by() { tail -n +$((lines + 1)) "$T/run.err" | grep -q -- "-> $1, .*model $2"; }
ok "promote: the helper's line names the new checksum" wait_for 5 said_by pages "$new"
ok 'promote: the value of the class is in place' wait_for 5 kb_is "$(policy_kb pages 128)"

# --- roll back ---
ok 'weights rollback' quietly "$BPFAHEAD" weights rollback
is "$(acting)" "$shipped" 'rollback: the shipped model acts again'
lines=$(wc -l <"$T/run.err")
change_load sequential
ok 'rollback: it decides about the next load' wait_for 12 decided sequential
ok "rollback: the helper's line names the old checksum" wait_for 5 said_by sequential "$shipped"
ok 'I/O went on meanwhile' test "$(reads_completed)" -gt $((reads + 100))

# --- nothing was restarted, nothing was lost ---
is "$(program_ids)" "$programs" 'the programs are the same ones'
ok 'the helper is the same process' kill -0 "$RUN_PID"
ok 'the steady reader is the same process' kill -0 "$steady"
stop_load
kill -INT "$steady"
wait "$steady"
# fio says there, too, which signal ended it.
steady_said() { sed -n "/^{/,\$p" "$T/steady.json" | jq -r ".jobs[0] | $1"; }
is "$(steady_said .error)" 0 'the steady reader saw no error'
done_reads=$(steady_said .read.total_ios)
lasted=$(steady_said ".read.runtime / 1000 | floor")
ok "and was served all the time: $done_reads reads in $lasted s, at 20 a second" \
	test "$done_reads" -ge $((lasted * 15))
stop_run TERM
is "$RUN_STATUS" 0 'the helper ends with status 0'
is "$(read_kb)" 128 'the original is back'
[ $tests_failed = 0 ] || diag "$(tail -30 "$T/run.err")"
done_testing
