#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Disks are pulled out while they are read and decided on, and others take their numbers: nobody
# hangs, nothing of the old one reaches the new one, and the others are served as before. In a guest of
# vm.sh with -d virtio:512:blk -d nvme:512:nvm -d scsi:512:sd.
# shellcheck source=tests/vm/guest/lib.sh
. "$(dirname "$0")/lib.sh"
need_guest
need fio jq dd bpftool xxd

disks='blk nvm sd'
declare -A plugged node disk_name number inode reader
driver() {
	case $1 in
	blk) echo '"driver": "virtio-blk-pci"' ;;
	nvm) echo '"driver": "nvme"' ;;
	sd) echo '"driver": "scsi-hd", "bus": "scsi.0"' ;;
	esac
}
qmp() { vm-qmp "{\"execute\": \"$1\", \"arguments\": {$2}}" >"$T/qmp" 2>&1; }

# look ID: a disk that is there, and all that tells it from the next one.
look() {
	node[$1]=$(vm-disk "${plugged[$1]}") || die "no disk ${plugged[$1]}"
	use_disk "${node[$1]}"
	disk_name[$1]=$NAME number[$1]=$BDI inode[$1]=$(stat -c %i "/sys/class/bdi/$BDI/")
	throttle 6000000 300 || die throttle
}
# Of one disk: number, readahead. The helpers of lib.sh look at it from then on.
at() {
	NAME=${disk_name[$1]} BDI=${number[$1]}
	KB_FILE=/sys/class/bdi/$BDI/read_ahead_kb
}
each() {
	local id
	for id in $disks; do
		at "$id"
		"$@" "$id" || return 1
	done
}

# Reads that wait in a limit while their disk leaves can make 6.1's blk-throttle spin for ever, after a
# WARN at blk-throttle.c:514: the limit goes first, the load stays.
pull() {
	echo "${number[$1]} rbps=max riops=max" >"$CGROUP/io.max"
	qmp device_del "\"id\": \"dev-${plugged[$1]}\"" || die "device_del: $(cat "$T/qmp")"
}
has_left() { [ ! -e "/sys/class/bdi/${number[$1]}" ] || [ "$(stat -c %i "/sys/class/bdi/${number[$1]}/")" != "${inode[$1]}" ]; }
put() { qmp device_add "$(driver "$1"), \"drive\": \"$1\", \"serial\": \"${plugged[$1]}\", \"id\": \"dev-${plugged[$1]}\""; }
# The machine lets go of it a moment after the guest has.
replace() {
	plugged[$1]+=x
	wait_for 20 put "$1" || die "device_add: $(cat "$T/qmp")"
	wait_for 20 quietly vm-disk "${plugged[$1]}" || die "no ${plugged[$1]}"
}
read_it() {
	start_load mmap-random "${node[$1]}"
	reader[$1]=$LOAD_PID
}
reader_ended() { ! kill -0 "${reader[$1]}" 2>/dev/null; }
value_is_ours() { settled "$original"; }
kb_is_original() { kb_is "$original"; }
listed() { status_json | jq -e --arg n "$BDI" '.devices[] | select(.bdi == $n)' >/dev/null; }
not_listed() { ! listed; }
decided() { decided_class "$BDI" | grep -qvx null; }
# pull_all WHAT: under load; then what is true of each
pull_all() {
	each pull
	ok "$1: every disk leaves" wait_for 40 each has_left
	ok "$1: every reader ends" wait_for 30 each reader_ended
}
# Others with the same numbers, and what they have of their own.
replace_all() {
	local id old
	for id in $disks; do
		old="${number[$id]} ${inode[$id]}"
		replace "$id"
		look "$id"
		is "${number[$id]}" "${old% *}" "$1: $id: the new disk has the number of the old one"
		ok "$1: $id: and is another" test "${inode[$id]}" != "${old#* }"
		is "$(read_kb)" 128 "$1: $id: with the readahead of a new one"
	done
}
run_is_alive() { ok "$1: bpfahead run goes on" kill -0 "$RUN_PID"; }

for id in $disks; do
	plugged[$id]=$id
	look "$id"
done
make_loop 512
other=("$NAME" "$BDI" "$LOOP")
throttle 6000000 300
use_other() {
	NAME=${other[0]} BDI=${other[1]}
	KB_FILE=/sys/class/bdi/$BDI/read_ahead_kb
}
watch=(--device "${other[0]}")
for id in $disks; do watch+=(--device "${disk_name[$id]}"); done

# --- our value in place, under load ---
original=192
set_original() { set_kb "$original"; }
each set_original
use_other && set_kb 192
RUN_DEVICE=${other[0]} start_run "${watch[@]}"
each read_it
ok 'under load: the value of each is ours' wait_for 40 each value_is_ours
at blk
ours=$(read_kb)
pull_all 'under load'
run_is_alive 'under load'
ok 'under load: status lists none of them any more' each not_listed
replace_all 'under load'

# What somebody gives the new one is what the old one had from us: not even then is it ours.
set_ours() { set_kb "$ours"; }
each set_ours
use_other
start_load mmap-random "${other[2]}"
ok 'the disk that stayed is decided on' wait_for 30 value_is_ours
stop_load
kb_is_ours() { kb_is "$ours"; }
ok 'the new disks have kept their values' each kb_is_ours
stop_run TERM
is "$RUN_STATUS" 0 'run ends with status 0'
ok 'the original of no old disk was given to a new one' each kb_is_ours
use_other
is "$(read_kb)" 192 'the disk that stayed has its own back'

# --- the same with a run that was killed: what the pins hold is of disks that left ---
each set_original
RUN_DEVICE=${other[0]} start_run "${watch[@]}"
each read_it
ok 'killed: the value of each is ours' wait_for 40 each value_is_ours
stop_run KILL
pull_all killed
replace_all killed
each set_ours
"$BPFAHEAD" restore >"$T/restore.log" 2>&1
is "$?:$(cat "$T/restore.log")" '0:no value of ours is in place: nothing to restore' \
	'killed: restore has nothing to do'
ok 'killed: the original of no old disk was given to a new one' each kb_is_ours

# --- a decision that waits while its disk is replaced; and then the new one's own ---
original=128
each set_original
RUN_DEVICE=${other[0]} start_run "${watch[@]}"
# An event older than the dwell is dropped without a word: it would be sent again.
"$BPFAHEAD" config dwell=60s >/dev/null || die 'config'
kill -STOP "$RUN_PID"
each read_it
ok 'waiting: each is decided on' wait_for 40 each decided
pull_all waiting
replace_all waiting
kill -CONT "$RUN_PID"
said_once() { [ "$(grep -c 'the device has left' "$T/run.log")" = 3 ]; }
ok 'waiting: the one line of each says that it has left' wait_for 10 said_once
run_is_alive waiting
"$BPFAHEAD" config dwell=2s >/dev/null
each read_it
ok 'the new disks are decided on by themselves' wait_for 40 each value_is_ours
originals() { status_json | jq -r --arg n "$BDI" '.devices[] | select(.bdi == $n) | .kb_original'; }
is "$(each originals | paste -sd' ')" '128 128 128' 'with their own originals'
is "$(grep -c 'the device has left' "$T/run.log")" 3 'and nothing more is said of the old ones'
stop_run TERM
is "$RUN_STATUS" 0 'run ends with status 0'
ok 'the new disks have their originals back' each kb_is_original
for id in $disks; do LOAD_PID=${reader[$id]} stop_load; done

# --- bpfaheadd; a file system without its disk, whose readers try on and on ---
at blk
make_fs "${node[blk]}" ext4
fill_file "$MNT/data" 160
mount -o remount,ro "$MNT" || die 'remount'
set_kb 192
load_listed "$BDI" "${other[1]}" || die 'load'
start_helper || die "bpfaheadd: $(cat "$T/run.err")"
# shellcheck disable=SC2016 # perl's
"${in_cgroup[@]}" "$CGROUP" perl -e 'open(my $f, "<", $ARGV[0]) or die; my $page;
	while (1) {
		sysseek($f, 4096 * int(rand(40000)), 0);
		sysread($f, $page, 4096);
		select(undef, undef, undef, 0.004);
	}' "$MNT/data" &
reader[blk]=$!
pids+=($!)
original=192
ok 'deployed: the value is ours' wait_for 40 value_is_ours
class=$(decided_class)
pull blk
ok 'deployed: the disk leaves' wait_for 40 has_left blk
ok 'deployed: status does not list it' not_listed
use_other
set_kb 192
start_load mmap-random "${other[2]}"
# Even if more is wanted of it.
for kb in 48 64; do
	"$BPFAHEAD" config "policy.$class=$kb" "policy.$class.clamp=none" >/dev/null || die 'config'
	nap 4
done
at blk
ok 'deployed: nor now that its file system is read without it' not_listed
use_other
ok 'deployed: the reader without a disk is still at it' kill -0 "${reader[blk]}"
lines=$(grep -c 'has left' "$T/run.err")
ok "deployed: of the disk that left, no more than a line ($lines)" test "$lines" -le 1
ok 'deployed: the disk that stayed is decided on' wait_for 20 value_is_ours
stop_load
LOAD_PID=${reader[blk]} stop_load
umount "$MNT"
is $? 0 'deployed: the file system can be unmounted'
stop_run TERM
is "$RUN_STATUS:$(read_kb)" 0:192 'deployed: bpfaheadd ends with status 0, the value of the other is back'
[ $tests_failed = 0 ] || diag "$(tail -n 40 "$T/run.log")" "$(tail -n 20 "$T/run.err")"
done_testing
