#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A FUSE file system from end to end: its own bdi is decided upon by what is read through it, and set;
# new opens read with it; the disk that the daemon reads keeps its value; the original comes back. A
# row of its own is found again by what the mount is, not by its number.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/holders.sh
. "$(dirname "$0")/../holders.sh"
need fio jq dd pgrep

[ -c /dev/fuse ] || modprobe -q fuse || true
[ -c /dev/fuse ] || skip_all 'this kernel has no FUSE'
command -v bindfs >/dev/null || skip_all 'bindfs is not here (tests/deps.sh test)'
state=$BPFAHEAD_STATE_DIR

make_loop 640
make_fs "$LOOP" ext4
fill_file "$MNT/data" 512
lower=$MNT disk=$BDI BACKING=$MNT/data
need_throttle 24000000 1500

# mount_fuse: the daemon is who reads the disk, so it is who is throttled. Sets MNT and FUSE, the
# bdi's name, which is of the mount's device number and of no disk.
mount_fuse() {
	MNT=$T/fuse
	mkdir -p "$MNT"
	"${in_cgroup[@]}" "$CGROUP" bindfs "$lower" "$MNT" || die bindfs
	wait_for 5 mountpoint -q "$MNT" || die 'bindfs did not mount'
	mounts+=("$MNT")
	FUSE=$(awk -v m="$MNT" '$5 == m { print $3 }' /proc/self/mountinfo)
	[ -d "/sys/class/bdi/$FUSE" ] || die "no bdi $FUSE"
}

mount_fuse
like "$FUSE" '^0:[0-9]+$' "a bdi of its own ($FUSE)"
like "$(awk -v m="$MNT" '$5 == m' /proc/self/mountinfo)" ' - fuse ' 'of a FUSE file system'
echo 96 >"/sys/class/bdi/$disk/read_ahead_kb" || die 'readahead of the disk'

# By mount point: random pages lower it, a scan raises it, and both decide by its own reads.
TRY_SECONDS=10 ALONE=("$disk") RUN_DEVICE=$MNT
try FUSE "$MNT/data" "$FUSE" mmap-random random sequential sequential
ok 'FUSE: run names the mount' run_said "^[0-9:.]+  $FUSE \($MNT\)  "
ok 'FUSE: and no disk' not_said " $NAME  "
page=$T/page.html
ok 'FUSE: a report is drawn' "$BPFAHEAD" report -o "$page" --device "$MNT"
ok 'FUSE: of this mount alone' [ "$(grep -c '<section' "$page")" = 1 ]
ok 'FUSE: with both decisions' [ "$(grep -cE '<td>set</td>' "$page")" = 2 ]

# What is opened now reads through the new value: requests of the daemon are as large.
pages_per_call() {
	status_json | jq --arg n "$FUSE" '.devices[] | select(.bdi == $n) | .features.avg_window_pages_q8'
}
use_bdi "$FUSE"
need_holders
start_hold data
start_run --device "$MNT"
start_load sequential "$MNT/data"
ok 'a scan: the value is set' wait_for 15 kb_is "$(policy_kb sequential 128)"
ID=$(status_json | jq -r --arg n "$FUSE" '.devices[] | select(.bdi == $n) | .bdi_id')
ok 'files opened before have it' files_have "$(policy_kb sequential 128)" data
stop_pid "${HOLD[data]}"
forget "$MNT/data"
stop_load
start_load sequential "$MNT/data"
set_pages=$(($(read_kb) / 4))
full() { [ "$(pages_per_call | cut -d. -f1)" -ge $((set_pages * 9 / 10)) ]; }
ok "a new open reads $set_pages pages at once" wait_for 15 full || diag "$(pages_per_call)"
stop_load
stop_run KILL
ok 'killed: the value stays' kb_is "$(policy_kb sequential 128)"
"$BPFAHEAD" restore >/dev/null || die restore
ok 'restore brings the original back' kb_is 128
"$BPFAHEAD" unload >/dev/null || die unload

# A row of its own, by type and source: mounted anew it has another bdi, and the same row.
mkdir -p "$state/devices"
chmod 700 "$state/devices"
cat >"$state/devices/films.conf" <<-TEXT
	[device]
	version = 1
	identity = fuse:fuse=$lower
	label = films
	[calibration]
	date = 2026-01-05T08:00:00Z
	original_kb = 128
	[policy]
	sequential = 1028 none
TEXT
umount "$MNT" || die 'umount bindfs'
former=$FUSE
mkdir -p "$T/other"
mount -t tmpfs other "$T/other" || die 'mount tmpfs' # takes a number
mounts+=("$T/other")
mount_fuse
diag "was $former, is $FUSE"
use_bdi "$FUSE"
set_kb 128
start_run --device "$MNT"
start_load sequential "$MNT/data"
ok 'mounted anew: the row of its own' wait_for 15 kb_is 1028
stop_load
stop_run TERM
ok 'and the original is back' kb_is 128

# The daemon dies under it: nothing hangs, nobody else's value is touched.
start_run --device "$MNT"
start_load sequential "$MNT/data"
ok 'before the daemon dies: set' wait_for 15 kb_is 1028
ino=$(stat -Lc %i "/sys/class/bdi/$FUSE")
has_left() { [ "$(stat -Lc %i "/sys/class/bdi/$FUSE" 2>/dev/null)" != "$ino" ]; } # the number may be taken
daemon=$(pgrep -f "^bindfs $lower $MNT\$" | head -1)
kill -KILL "$daemon" || die "no daemon of $MNT"
stop_load
umount "$MNT" || umount -l "$MNT"
ok 'its bdi has left' wait_for 5 has_left
stop_run TERM
is "$RUN_STATUS" 0 'run ends in good order'
is "$(cat "/sys/class/bdi/$disk/read_ahead_kb")" 96 'the disk below kept its value'
[ $tests_failed = 0 ] || diag "$(cat "$T/run.log" "$T/run.err")"
done_testing
