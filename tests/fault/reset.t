#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Whoever writes to a disk's queue limits makes the kernel compute its readahead anew (block/
# blk-settings.c: in 6.12 and 6.18 at each commit). A limit that changed tells that from a person: the value
# is set again, files that were opened meanwhile follow, and the original stays what it was.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/holders.sh
. "$(dirname "$0")/../holders.sh"
need fio jq dd

# As the kernel gives it to such a disk: 2560 KB since 6.17, 128 before.
make_loop 1152
original=$(read_kb)
diag "the kernel's own value is $original KB"
make_fs "$LOOP" ext4
fill_file "$MNT/data" 1024
need_throttle 24000000 1500
need_holders
queue=/sys/block/$NAME/queue

# limit NAME VALUE
limit() { echo "$2" >"$queue/$1" || die "cannot write $2 to $queue/$1"; }

# other_value NAME: one that the limit does not have now, and may have.
other_value() {
	local now
	now=$(<"$queue/$1")
	case $1 in
	max_sectors_kb) echo $((now / 2)) ;;
	discard_max_bytes) echo $((now / 2 / 4096 * 4096)) ;;
	write_cache) [ "$now" = 'write back' ] && echo 'write through' || echo 'write back' ;;
	*) echo $((1 - now)) ;;
	esac
}

# begin ORIGINAL [SECONDS]: sets OURS and ID.
begin() {
	start_run
	"$BPFAHEAD" config dwell=500ms >/dev/null || die 'config dwell'
	random_load
	ok "from $1 KB: the value is ours" wait_for "${2:-15}" settled "$1"
	OURS=$(read_kb)
	ID=$(bdi_id)
}
said_again() { grep -c 'kernel had reset' "$T/run.log"; }
was_said_beyond() { [ "$(said_again)" -gt "$1" ]; }

start_hold before
begin "$original"
ok 'an open file has it' files_have "$OURS" before
for name in max_sectors_kb rotational iostats add_random write_cache discard_max_bytes stable_writes iostats_passthrough; do
	if [ ! -w "$queue/$name" ]; then
		skip "$name" 'this kernel has no such limit'
		continue
	fi
	count=$(said_again)
	limit $name "$(other_value $name)"
	found=$(read_kb)
	# A slow machine may find it put right already.
	if [ "$found" = "$OURS" ] && ! wait_for 3 was_said_beyond "$count"; then
		skip "$name" 'this kernel leaves readahead alone at such a change'
		continue
	fi
	start_hold "after-$name" # opened with what the kernel made of it, or in time after that
	ok "$name: $found KB, set again" wait_for 10 was_said_beyond "$count"
	ok "$name: and in place" wait_for 5 kb_is "$OURS"
	ok "$name: files opened before and meanwhile have it" files_have "$OURS" before "after-$name"
done
ok 'nobody was taken for a person' not_said 'somebody set'
stop_load

# While nothing is read nobody looks; it is told all the same once reads go on.
if limit rotational "$(other_value rotational)" && ! kb_is "$OURS"; then
	count=$(said_again)
	random_load
	ok 'while nothing was read: set again' wait_for 15 was_said_beyond "$count"
	ok 'while nothing was read: and in place' wait_for 5 kb_is "$OURS"
	stop_load
else
	skip 'while nothing was read' 'this kernel leaves readahead alone at such a change'
fi
stop_run TERM
is "$(read_kb)" "$original" 'at the end the original is back, not what the kernel computed'

# 64 MB, as some NVMe have: no value of ours is like that, and it comes back. At the rate above that
# would be four faults in ten seconds, too few for an answer.
throttle 150000000 3000
set_kb 65536
begin 65536 60
# So few faults may look like something else at first.
is_low() { [ "$(decided_class)" = pages ] && kb_is "$(random_kb 65536)"; }
ok 'from 65536 KB: told as pages' wait_for 60 is_low
OURS=$(read_kb)
limit max_sectors_kb "$(other_value max_sectors_kb)"
diag "the commit made it $(read_kb) KB"
ok 'from 65536 KB: ours again' wait_for 10 kb_is "$OURS"
ok 'from 65536 KB: it stays' stays "$OURS" 3
stop_run KILL
"$BPFAHEAD" restore >/dev/null || die restore
is "$(read_kb)" 65536 'from 65536 KB: back after a kill'
stop_load
"$BPFAHEAD" unload >/dev/null || die unload

throttle 24000000 1500
# A limit changes, and somebody sets what no commit computes: the person has the last word.
set_kb 192
begin 192
limit max_sectors_kb "$(other_value max_sectors_kb)"
set_kb 300
ok 'a person beside a commit: left alone' wait_for 10 run_said 'somebody set 300 KB'
ok 'a person beside a commit: it stays' stays 300 3
"$BPFAHEAD" config "resume=$NAME" >/dev/null || die resume
ok 'a person beside a commit: ours after resume' wait_for 10 kb_is "$OURS"

# A limit written with the value that it has is a commit, too, and nothing tells it from a person:
# docs/operations.md.
limit rotational "$(<"$queue/rotational")"
found=$(read_kb)
if [ "$found" = "$OURS" ]; then
	skip 'a commit that changes nothing' 'this kernel leaves readahead alone at it'
else
	ok "a commit that changes nothing ($found KB): left alone, and said" \
		wait_for 10 run_said "somebody set $found KB.*resume="
fi
stop_load
stop_run TERM
[ $tests_failed = 0 ] || diag "$(cat "$T/run.log" "$T/run.err")"
done_testing
