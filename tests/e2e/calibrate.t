#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# bpfahead calibrate: measures on files that are gone afterwards, leaves the device's value alone, and
# its row is found again when the device comes back under another name.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
need fio jq dd xmllint mkfs.ext4 mkfs.xfs mkfs.btrfs setpriv

make_loop 1152
disk=$T/disk-0
make_fs "$LOOP" ext4
fill_file "$MNT/data" 512
# Slow enough for a busy machine to keep up with it. 64 KB and more are the knee of a scan.
need_throttle 40000000 600
original=192
set_kb $original
files_before=$(ls -A "$MNT")
room_before=$(df --output=used "$MNT" | tail -1)

nothing_left() {
	sync -f "$MNT"
	[ "$(ls -A "$MNT")" = "$files_before" ] || {
		diag "$(ls -lA "$MNT")"
		return 1
	}
	[ "$(df --output=used "$MNT" | tail -1)" = "$room_before" ]
}
stored() { cat "$BPFAHEAD_STATE_DIR"/devices/*.conf; }
device_json() { status_json | jq --arg n "$BDI" '.devices[] | select(.bdi == $n)'; }
policy_is() { [ "$(device_json | jq -r .policy)" = "$1" ]; }
own_row() { "$BPFAHEAD" config --json | jq --arg n "$BDI" -S -c '.policy[$n] // "none"'; }

# calibrate ARGUMENT...: in the cgroup; sets STATUS, and OUT and ERR.
calibrate() {
	"${in_cgroup[@]}" "$CGROUP" "$BPFAHEAD" calibrate "$@" >"$T/out" 2>"$T/err" </dev/null
	STATUS=$?
	OUT=$(<"$T/out") ERR=$(<"$T/err")
}

# --- one calibration ---------------------------------------------------------------------------

# The most that is taken meanwhile, KB.
touch "$T/measuring"
(
	most=0
	while [ -e "$T/measuring" ]; do
		taken=$(($(df --output=used "$MNT" | tail -1) - room_before))
		[ $taken -le $most ] || most=$taken
		nap 0.05
	done
	echo $most >"$T/most"
) &
watcher=$!
began=$(now_us)
calibrate "$MNT" --dry-run --seconds 3 --bytes 96M
took=$((($(now_us) - began) / 1000000))
is $STATUS 0 'dry run: status 0'
ok "dry run: within its 3 s, and what is in flight then ($took s)" [ $took -le 6 ]
ok 'dry run: nothing is stored' [ ! -e "$BPFAHEAD_STATE_DIR" ]
like "$OUT" 'scan: one file' 'dry run: the curve is shown'
rm "$T/measuring"
wait $watcher
most=$(<"$T/most")
ok "dry run: within its 96 MB, and the file system's own blocks ($most KB)" [ "$most" -gt 16000 -a "$most" -le 99000 ]

calibrate "$LOOP" --seconds 15 --bytes 128M --svg "$T/curves.svg" --json
is $STATUS 0 'by device, with --json and --svg: status 0' || diag "$ERR"
is "$(read_kb)" $original "the device's own value is in place"
ok 'no file is left, and no space is taken' nothing_left
ok 'the picture is sound XML' xmllint --noout "$T/curves.svg"
is "$(grep -o '<polyline [^>]*points="[^"]' "$T/curves.svg" | wc -l)" "$(jq '[.patterns[] |
	select(.name != "pages-queued" and any(.values[]; .bytes_per_s))] | length' "$T/out")" \
	'and has a curve for each pattern that was measured at several values'
is "$(jq -r '.patterns | length' "$T/out")" 9 'JSON: nine patterns'
# 600 reads of 16 KB are 9.8 MB/s; 4096 KB is the value that is never left out.
is "$(jq '.patterns[] | select(.name == "scan").values | map({(.kb | tostring): .bytes_per_s}) | add |
	."16" < 0.35 * ."4096"' "$T/out")" true 'JSON: a scan at 16 KB is slower than at 4096 KB'
is "$(jq '[.patterns[] | select(.name == "scan").values[].bytes_per_s // 0] | max < 46000000' "$T/out")" true \
	'JSON: and nowhere faster than the limit, however it is granted' || diag "$(jq -c '.patterns[0]' "$T/out")"
is "$(jq '.patterns[] | select(.name == "pages").values | map({(.kb | tostring): .amplification}) | add |
	(."16" > 3.5 and ."16" < 4.5 and ."4096" > 500)' "$T/out")" true 'JSON: pages at 16 KB read four times as much'
is "$(jq '.patterns[] | select(.name == "pages-queued").values | length == 1 and .[0].amplification < 1.1 and
	(.[0].bytes_per_s / 4096 / 600 | . > 0.85 and . < 1.15)' "$T/out")" true \
	'JSON: however many reads are under way, there are 600 a second' || diag "$(jq -c '.patterns[3]' "$T/out")"
is "$(jq .policy.sequential.measured "$T/out")" true 'JSON: the policy is measured' || diag "$(jq -c .policy "$T/out")"
uuid=$(blkid -s UUID -o value "$LOOP")
is "$(jq -c .identities "$T/out")" "[\"fs-uuid:$uuid\"]" 'a loop device is known by its file system'
like "$(stored)" "identity = fs-uuid:$uuid" 'the file says so'
is "$(stored | grep -c "identity.*${NAME}\|identity.*$BDI")" 0 'and names no loop device'
sequential=$(jq .policy.sequential.kb "$T/out")

# A quarter of the best rate: nothing but that it is the administrator's has it measured again. On a disk five times
# as fast, or the time would be over before.
set_kb 16
throttle 200000000 3000
calibrate "$MNT" --dry-run --seconds 32 --bytes 96M --json
is "$(jq '.patterns[0].values[] | select(.kb == 16).repeats | length >= 2' "$T/out")" true \
	"the administrator's own value is measured again, however slow" || diag "$(jq -c '.patterns[0]' "$T/out")"
throttle 40000000 600
set_kb $original

# --- the row is found again ----------------------------------------------------------------------

start_run
start_reading sequential "$MNT/data"
ok "'run' puts the row in place when the device appears" wait_for 10 policy_is calibrated
like "$(<"$T/run.err")" "$NAME: policy as calibrated on" 'and says so'
is "$(own_row | jq .sequential.kb)" "$sequential" 'the value is the one that was measured'
stop_load

# While it is at work, and by hand what no measurement gives.
"$BPFAHEAD" config "policy.$NAME.pages=20" "policy.$NAME.short-runs=48"
is "$(device_json | jq -c .policy_differs)" '["short-runs","pages"]' 'status tells what was set by hand since'
by_hand=$(own_row | jq -c '[.pages, ."short-runs"]')
calibrate "$MNT" --seconds 6 --bytes 96M
is $STATUS 0 'again, while it is at work: status 0' || diag "$ERR"
like "$OUT" 'in force from now on; set by hand, and kept: short-runs, pages' 'what was set by hand stays'
is "$(own_row | jq -c '[.pages, ."short-runs"]')" "$by_hand" 'just as it was'
"$BPFAHEAD" config "policy.$NAME=default"
class=$(decided_class)
calibrate "$MNT" --seconds 15 --bytes 128M # each pattern for as long as a decision takes
ok 'nothing was decided about the device by our own reading' kb_is $original
is "$(decided_class)" "$class" 'nor for whoever reads next'
like "$OUT" 'in force from now on$|in force from now on'$'\n''?$' 'where there is none, all of the new one holds at once'
ok 'status says so' policy_is calibrated

# Another name, another bdi, the same file system.
plug_anew() {
	umount "$MNT"
	losetup -d "$LOOP"
	attach_loop "$disk"
	mount -o noatime "$LOOP" "$MNT" || die "mount $LOOP"
	throttle 40000000 600
}
old=$NAME
plug_anew
[ "$NAME" != "$old" ] || die "the same name again"
stop_run TERM
start_run
start_reading sequential "$MNT/data"
ok "detached and attached: $old is $NAME now, and has the row" wait_for 10 policy_is calibrated
stop_load
stop_run TERM

# bpfaheadd, its privileges dropped, and a device that appears while it runs.
ok 'loaded for this device alone' load_listed "$BDI"
ok 'bpfaheadd is up' start_helper
start_reading sequential "$MNT/data"
ok 'bpfaheadd finds it, too' wait_for 10 policy_is calibrated
stop_load
list_device() {
	# shellcheck disable=SC2046 # bytes are words
	bpftool map update pinned "$BPFAHEAD_PIN_DIR/listed" key hex \
		$({ printf '%s' "$BDI" && head -c $((32 - ${#BDI})) /dev/zero; } | xxd -p -c 1) value hex 01 00 00 00
}
plug_anew
set_kb $original
list_device
start_reading sequential "$MNT/data"
ok 'and when it is plugged in while bpfaheadd runs' wait_for 10 policy_is calibrated
stop_load
# From here on the value of the device, the next one, is the affair of calibrate alone: nothing that is
# decided changes it. On a busy machine the reads below are told as sequential; and what our own are
# taken for stays the device's class, and takes effect with the commit of a journal where half a second
# passes before the next calibration begins.
leave_alone=()
for class in $("$BPFAHEAD" config --json | jq -r '.policy.default | keys[]'); do
	leave_alone+=("policy.$class=0")
done
"$BPFAHEAD" config "${leave_alone[@]}" || die 'a default row of zeros'
sed -i 's/^sequential = .*/sequential = plenty/' "$BPFAHEAD_STATE_DIR"/devices/*.conf
plug_anew
set_kb $original
list_device
start_reading sequential "$MNT/data"
damaged() { grep -q 'not used: .*\.conf:[0-9]*: KB out of range' "$T/run.err"; }
ok 'a damaged file is named with its line' wait_for 10 damaged
is "$(own_row)" '"none"' 'and the device has the default policy'
stop_load

# --- ended early -----------------------------------------------------------------------------------

rm "$BPFAHEAD_STATE_DIR"/devices/*.conf
no_row() { [ "$(own_row)" = '"none"' ]; }
for signal in INT TERM KILL; do
	# Empty from here on, not from when it gets to run: what the one before it said is not what it says.
	: >"$T/first"
	"${in_cgroup[@]}" "$CGROUP" "$BPFAHEAD" calibrate "$MNT" --bytes 128M >"$T/first" 2>&1 </dev/null &
	pid=$!
	pids+=("$pid")
	half_way() { grep -q 'runs-64k' "$T/first"; }
	wait_for 30 half_way || die "calibrate does not get on: $(<"$T/first")"
	[ $signal != INT ] || {
		calibrate "$MNT" --seconds 3
		is $STATUS 4 'a second one is told so'
	}
	kill -s $signal "$pid"
	wait "$pid"
	status=$?
	# The row is put back last, after SIGKILL by a process that has yet to run.
	ok "SIG$signal: no row of its own is left" wait_for 5 no_row
	ok "SIG$signal: the device's own value" kb_is $original
	ok "SIG$signal: no file is left" nothing_left
	is "$(find "$BPFAHEAD_STATE_DIR/devices" -type f)" '' "SIG$signal: nothing is stored"
	[ $signal != KILL ] || continue
	is $status 1 "SIG$signal: status 1"
	like "$(<"$T/first")" 'interrupted: nothing is stored' "SIG$signal: that is said"
done
# In the very moment in which the device has a value under test, which a signal from outside all but
# never meets: between the write (the second read was of the device's own value) and its read-back.
if command -v strace >/dev/null; then
	"${in_cgroup[@]}" "$CGROUP" strace -o "$T/strace" -P "$(readlink -f "$KB_FILE")" \
		-e trace=pread64,pwrite64 -e inject=pread64:signal=KILL:when=3 \
		"$BPFAHEAD" calibrate "$MNT" --bytes 96M >"$T/first" 2>&1 </dev/null &
	wait $!
	is "$(tail -3 "$T/strace" | grep -cE '^pwrite64.* = [0-9]|^pread64.*unfinished|killed by SIGKILL')" 3 \
		'SIGKILL under a value: it was in place' || diag "$(<"$T/strace")"
	ok 'SIGKILL under a value: no row of its own is left' wait_for 5 no_row
	ok "SIGKILL under a value: the device's own value" kb_is $original
	ok 'SIGKILL under a value: no file is left' nothing_left
else
	skip 'SIGKILL under a value' 'no strace'
fi
# A device that fails under a mapping, which is a SIGBUS: here the file is cut off.
"$BPFAHEAD" config "policy.$NAME.pages=$original" # which a decision would leave in place
row=$(own_row)
: >"$T/first"
"${in_cgroup[@]}" "$CGROUP" "$BPFAHEAD" calibrate "$MNT" --bytes 128M >"$T/first" 2>&1 </dev/null &
pid=$!
pids+=("$pid")
half_way() { grep -q 'pages,' "$T/first"; }
wait_for 60 half_way || die "calibrate does not get on: $(<"$T/first")"
ok 'a row of zeros meanwhile' [ "$(own_row)" != "$row" ]
for fd in "/proc/$pid/fd"/*; do
	[[ $(readlink "$fd") != *'(deleted)' ]] || truncate -s 0 "$fd" 2>/dev/null
done
wait "$pid"
is $? 1 'the device fails: status 1'
row_is_back() { [ "$(own_row)" = "$row" ]; }
like "$(<"$T/first")" 'Input/output error' 'the device fails: that is said'
ok 'the device fails: its row is as it was' wait_for 5 row_is_back
ok "the device fails: its own value" kb_is $original
"$BPFAHEAD" config "policy.$NAME=default"
stop_pid "$RUN_PID"
"$BPFAHEAD" unload >/dev/null 2>&1

# --- refused -----------------------------------------------------------------------------------------

# refused STATUS REGEX NAME ARGUMENT...: one line that says why, and nothing on standard output.
refused() {
	local status=$1 regex=$2 name=$3
	shift 3
	calibrate "$@" --seconds 3
	is $STATUS "$status" "$name: status $status" || diag "$ERR"
	like "$ERR" "$regex" "$name: says why"
	is "$OUT" '' "$name: nothing else"
}
refused 2 'which device' 'no device'
refused 2 'seconds wants' 'no time' "$MNT" --seconds 0
refused 2 'bytes wants a size from 69M on' 'too small a file' "$MNT" --bytes 68M
calibrate "$MNT" --dry-run --seconds 3 --bytes 69M
is $STATUS 0 'the smallest one: status 0' || diag "$ERR"
refused 2 'bytes wants' 'no size' "$MNT" --bytes 1X
refused 2 'one device' 'two devices' "$MNT" "$LOOP"
refused 1 'neither a directory nor a block device' 'another kind of device' /dev/null
refused 1 'No such file' 'no such path' /dev/nothing
refused 1 "no device 'nothing'" 'no such device' nothing
refused 1 'has no readahead of its own' 'a directory of tmpfs' /dev/shm
mount -o remount,ro "$MNT"
refused 1 'mounted read-only' 'a read-only file system' "$MNT"
mount -o remount,rw "$MNT"
fill_file "$MNT/more" 500
refused 1 'too little room' 'a full disk' "$MNT"
rm "$MNT/more"
refused 1 '/proc/nowhere/x.svg: .*nothing was measured' 'a picture that cannot be written' "$MNT" --svg /proc/nowhere/x.svg
BPFAHEAD_STATE_DIR=/proc/nowhere calibrate "$MNT" --seconds 3 --bytes 96M
is $STATUS 1 'no place to store it: status 1'
like "$ERR" 'not stored' 'no place to store it: said'
like "$OUT" 'scan: one file' 'no place to store it: what was measured is shown all the same'
chmod 711 "$T"
cp "$BPFAHEAD" "$T/bpfahead"
ERR=$(setpriv --reuid 65534 --clear-groups "$T/bpfahead" calibrate "$MNT" 2>&1)
is $? 1 'not root: status 1'
like "$ERR" 'needs root' 'not root: says so'
ok 'after all that no file is left' nothing_left
ok "and the device's own value is in place" kb_is $original
umount "$MNT"
refused 1 'is not mounted' 'a disk without a mounted file system' "$LOOP"

# --- other file systems --------------------------------------------------------------------------------

for fs in xfs btrfs; do
	make_fs "$LOOP" $fs
	[ $fs != btrfs ] || use_bdi "$(btrfs_bdi "$MNT")"
	kb=$(read_kb)
	calibrate "$MNT" --seconds 4 --bytes 96M --json
	is $STATUS 0 "$fs: status 0" || diag "$ERR"
	is "$(jq -r '.identities[0]' "$T/out")" "fs-uuid:$(blkid -p -s UUID -o value "$LOOP")" "$fs: known by its UUID"
	is "$(read_kb)" "$kb" "$fs: the value that counts is as it was"
	umount "$MNT"
done

# --- a disk with latency: as many reads as are asked for at once ------------------------------------------

# 20 ms, which no busy machine adds: one reader has 50 reads a second at most, 32 under way 1,600.
if reason=$(no_slow_disk); then
	skip 'latency' "$reason"
else
	mkdir "$T/slow"
	truncate -s 1G "$T/slow.image"
	"$slow_disk" "$T/slow.image" "$T/slow" 20000 100000000 || die 'slow-disk'
	mounts+=("$T/slow")
	attach_loop "$T/slow/disk"
	make_fs "$LOOP" ext4
	"$BPFAHEAD" calibrate "$MNT" --dry-run --seconds 25 --bytes 96M --json >"$T/out" 2>"$T/err"
	is $? 0 'latency: status 0' || diag "$(<"$T/err")"
	is "$(jq '[.patterns[] | {(.name): ([.values[].bytes_per_s // 0] | max / 4096)}] | add |
		.pages < 50 and ."pages-queued" > 4 * .pages' "$T/out")" true \
		'latency: one reader does not tell how many reads there are' || diag "$(jq -c '.patterns[2, 3]' "$T/out")"
	umount "$MNT"
fi
done_testing
