#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A scan and a random reader of a mapping on one disk at once: each file gets the value that suits
# it, while the disk has one for both. What a file has is read from the kernel's own struct file.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/holders.sh
. "$(dirname "$0")/../holders.sh"
need fio jq dd

FULL_KB=512 # the row of `sequential` here; `pages` has 16
make_loop 2304
make_fs "$LOOP" ext4
fill_file "$MNT/scan" 1280
fill_file "$MNT/random" 768
need_throttle 24000000 1500
need_holders
set_kb 128

pinned() { [ -e "$BPFAHEAD_PIN_DIR/$1" ]; }
stat_of() { status_json | jq ".file_counters.$1"; }
# values: how many files have values of their own.
values() {
	bpftool -j map dump pinned "$BPFAHEAD_PIN_DIR/file_values" |
		jq '[.[] | (.formatted.value // .value) | select(.ra_kb > 0)] | length'
}
has_values() { [ "$(values)" = "$1" ]; }
own() { status_json | jq -r --arg ino "$(stat -c %i "$MNT/$1")" '.files[] | select((.inode | tostring) == $ino) | '"$2"; }
# the load NAME on a file, in the background; its pid in LOADS[NAME]
declare -A LOADS
load_on() {
	start_load "$2" "$MNT/$1"
	LOADS[$1]=$LOAD_PID
}
end_load() {
	LOAD_PID=${LOADS[$1]}
	stop_load
}
said() { diag "device $(read_kb), scan $(kb_of_file scan), random $(kb_of_file random)"; }

start_run
ok 'off: nothing of it is loaded' test ! -e "$BPFAHEAD_PIN_DIR/files"
ok 'a row for scans' "$BPFAHEAD" config "policy.sequential=512" policy.sequential.clamp=none
ok 'on, while it runs' "$BPFAHEAD" config per-file=on
ok 'loaded' pinned files
# Who has said what it wants, while the disk has its original yet.
start_hold random --advice random
load_on scan sequential
load_on random mmap-random
is_known() { [ -n "$(bdi_id)" ]; }
ok 'the disk is known' wait_for 10 is_known
ID=$(bdi_id)
ok "the scan's file has $FULL_KB KB" wait_for 15 file_has scan $FULL_KB
# Its descriptors may have that from the device, while that is told as sequential itself.
owns() { [ "$(own "$1" .kb)" = "$2" ]; }
ok 'as its own' wait_for 15 owns scan $FULL_KB
blend() { [[ $(decided_class) != sequential && $(decided_class) != pages ]]; }
wait_for 20 blend || diag "the blend was taken for $(decided_class)"
# kb_of who|others: of the random file, as that process has it, or all others.
kb_of() {
	"$list_files" "$BPFAHEAD_PIN_DIR" "$ID" |
		awk -v ino="$(stat -c %i "$MNT/random")" -v pid="${HOLD[random]}" -v others="$1" \
			'$5 == ino && ($1 != pid) == (others == "others") { print $3 }' | sort -nu | paste -sd' '
}
others_have() { [ "$(kb_of others)" = "$1" ]; }
ok 'the random one 16 KB' wait_for 15 others_have 16
said
ok 'the disk has one value for both' test "$(read_kb)" != "$FULL_KB"
is "$(own scan .kb)" $FULL_KB 'status lists the scan'
is "$(own scan .class)" sequential 'and its class'
is "$(own scan .path)" "$MNT/scan" 'and its path'

nap 3
is "$(kb_of who)" 128 'who asked for something is left alone'
is "$(kb_of others)" 16 'all the while'

# Another reader of the same file, which opens it now.
start_hold scan --read
ok 'who opens the file later gets its value' wait_for 20 file_has scan $FULL_KB

# The device gets another value: files with their own keep it, others follow.
start_hold other
if wait_for 20 blend && "$BPFAHEAD" config "policy.$NAME.$(decided_class)=40" && wait_for 10 kb_is 36; then
	ok 'a file without one of its own follows its device' wait_for 5 file_has other 36
	ok "the scan's does not" file_has scan $FULL_KB
else
	skip 'a device-wide change' "the blend was taken for $(decided_class)"
fi
"$BPFAHEAD" config "policy.$NAME=default"

# Off and on.
ok 'off, while it runs' "$BPFAHEAD" config per-file=off
ok 'nothing of it is loaded' test ! -e "$BPFAHEAD_PIN_DIR/files"
ok 'no file has a value of its own' has_values 0
follows() { [ "$(kb_of_file "$1")" = "$(read_kb)" ]; }
ok 'the files follow the device again' wait_for 5 follows scan
ok 'on again' "$BPFAHEAD" config per-file=on
ok 'and it works' wait_for 20 file_has scan $FULL_KB

# Emergency.
ok 'emergency' quietly "$BPFAHEAD" config mode=emergency
ok 'takes it from files, too' wait_for 5 file_has scan 128
ok 'act' "$BPFAHEAD" config mode=act
ok 'and again' wait_for 20 file_has scan $FULL_KB

# The file is read in another way.
end_load random
stop_pid "${HOLD[random]}"
load_on random sequential
ok 'a random file that is scanned gets the value of scans' wait_for 20 file_has random $FULL_KB

# The inode number comes again.
end_load scan
stop_pid "${HOLD[scan]}"
old=$(stat -c %i "$MNT/scan")
rm "$MNT/scan"
fill_file "$MNT/scan" 256
if [ "$(stat -c %i "$MNT/scan")" = "$old" ]; then
	start_hold scan
	"$BPFAHEAD" config "policy.$NAME.sequential=252" || die 'a row'
	ok 'the device gets another value' wait_for 15 kb_is 252
	ok 'another file of the same inode number has no value of its own' wait_for 5 file_has scan 252
	"$BPFAHEAD" config "policy.$NAME=default"
	ok 'and again' wait_for 15 file_has scan $FULL_KB
else
	skip 'another file of the same inode number' 'the file system gave another'
fi

# The end: what is open has the original.
stop_run TERM
is "$RUN_STATUS" 0 'run ends with status 0'
is "$(read_kb)" 128 'the original is back'
ok 'loaded again, to look' quietly "$BPFAHEAD" load
ok 'open files have it, too' wait_for 5 file_has random 128
ok 'unloaded' quietly "$BPFAHEAD" unload
[ $tests_failed = 0 ] || diag "$(cat "$T/run.log" "$T/run.err")"

# Killed in the middle of it.
start_run
"$BPFAHEAD" config "policy.sequential=512" policy.sequential.clamp=none per-file=on || die 'config'
ok 'a value of its own once more' wait_for 20 file_has random $FULL_KB
stop_run KILL
ok 'restore' quietly "$BPFAHEAD" restore
is "$(read_kb)" 128 'the original is back after a crash'
ok 'open files have it, too' wait_for 5 file_has random 128
ok 'nothing is left of it' has_values 0
"$BPFAHEAD" unload >/dev/null
[ $tests_failed = 0 ] || diag "$(cat "$T/run.log" "$T/run.err")"

# The helper, which has given up its privileges.
load_listed "$BDI" || die 'load'
"$BPFAHEAD" config "policy.sequential=512" policy.sequential.clamp=none per-file=on || die 'config'
ok 'the helper starts' start_helper
ok 'and gives files their values' wait_for 20 file_has random $FULL_KB
"$BPFAHEAD" config "policy.sequential=128"
ok 'which end when the device suits them' wait_for 20 has_values 0
"$BPFAHEAD" config "policy.sequential=512"
ok 'once more' wait_for 20 file_has random $FULL_KB
stop_run TERM
is "$RUN_STATUS" 0 'the helper ends with status 0'
ok 'open files have the original' wait_for 5 file_has random 128
"$BPFAHEAD" unload >/dev/null
[ $tests_failed = 0 ] || diag "$(cat "$T/run.log" "$T/run.err")"

# Ten thousand files: the table stays what it is, and the file at work keeps its value.
start_run
"$BPFAHEAD" config "policy.sequential=512" policy.sequential.clamp=none per-file=on || die 'config'
before=$(status_json | jq .map_memory_bytes)
mkdir "$MNT/many"
for ((i = 0; i < 10000; i++)); do echo "$MNT/many/$i"; done >"$T/names"
xargs -a "$T/names" truncate -s 8M
started=$SECONDS
xargs -a "$T/names" -n 500 head -qc 65536 >/dev/null
diag "10,000 files in $((SECONDS - started)) s: admitted $(stat_of admitted), without a place $(stat_of table_full)"
ok 'a flood finds no place' test "$(stat_of table_full)" -gt 5000
ok 'the file at work keeps its value' wait_for 20 file_has random $FULL_KB
after=$(status_json | jq .map_memory_bytes)
ok "maps take no more memory ($before, $after bytes)" test "$after" -le $((before + 65536))
stop_run TERM
is "$RUN_STATUS" 0 'run ends with status 0'
[ $tests_failed = 0 ] || diag "$(cat "$T/run.log" "$T/run.err")"
done_testing
