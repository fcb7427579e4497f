#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The probe on throttled devices that it is told to have watched for a day: it tries values, within
# its bound, and not before. FULL=1, on a machine with nothing else to do, since what it finds hangs
# on rates: a stream on hdd finds the device's knee; objects of 16 KB on cloud find the value that
# hides their class, and nobody takes turns; single pages in their place are told; a hot set in little
# memory finds a page at a time, and objects of 4 KB that lie across two pages do not. What was found
# is there for the next process, and goes with the switch.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
need jq dd
[ -x "$TOP/build/tests/reader" ] || die 'build/tests/reader is missing: make test-build'

make_loop 2304
make_fs "$LOOP" ext4
fill_file "$MNT/data" 2048
need_throttle 150000000 120
set_kb 128

# read_until SECONDS KIND COMMAND...: until the command succeeds, which then says so; rates in $T/reader.
read_until() {
	local seconds=$1 kind=$2 status
	shift 2
	forget "$MNT/data"
	"${in_cgroup[@]}" "$CGROUP" "$TOP/build/tests/reader" "$kind" "$MNT/data" $((seconds * PATIENCE)) >"$T/reader" 2>&1 &
	LOAD_PID=$!
	pids+=("$LOAD_PID")
	wait_for "$seconds" "$@"
	status=$?
	return $status
}
stop_reading() {
	kill "$LOAD_PID" 2>/dev/null
	wait "$LOAD_PID" 2>/dev/null
	pids=("${pids[@]/$LOAD_PID/}")
}
said() { grep -qE "$1" "$T/run.log"; }
kb_at_least() { [ "$(read_kb)" -ge "$1" ]; }
# Samples of every second: those that nobody watches wait for eight of a kind.
probe_on() { "$BPFAHEAD" config probe=on sample=1s >/dev/null || die 'config probe=on'; }
rate() { awk -v from="$1" '$1 ~ /^[0-9]+$/ && $1 > from { n++; sum += $2 } END { print n ? int(sum / n) : 0 }' "$T/reader"; }

# Nothing is tried on a device that has hardly been watched.
start_run
probe_on
read_until 6 stream kb_is 252
stop_reading
stop_run TERM
ok 'no trial within the first seconds' eval '! said "trying"'
ok 'how long the device was watched is written down' grep -q '^device = ' "$BPFAHEAD_STATE_DIR/learned.ini"
# was_watched MS: so it says.
was_watched() { sed -i -E "s/^(device = [^ ]+) .*/\1 $1 0 0 0 0 0 0/" "$BPFAHEAD_STATE_DIR/learned.ini"; }
if [ "${FULL:-0}" = 0 ]; then
	# Long enough for a trial (10 s without a change), but 2 % of 300 s are less than one may cost.
	was_watched 300000
	start_run
	probe_on
	read_until 20 stream said 'trying'
	stop_reading
	stop_run TERM
	ok 'nor within five minutes' eval '! said "trying"'
fi
was_watched 86400000

start_run
probe_on
if [ "${FULL:-0}" = 0 ]; then
	ok 'a device that was watched for a day: values are tried' \
		read_until 90 stream said 'trying [0-9]+ KB for sequential in place of 256'
	nap 8 # a trial's worst case
	"$BPFAHEAD" config probe=off >/dev/null || die 'config probe=off'
	nap 1
	tried=$(grep -c 'trying' "$T/run.log")
	nap 15
	is "$(grep -c 'trying' "$T/run.log")" "$tried" 'switched off: nothing more is tried'
	stop_reading
	worse=$(status_json | jq -r --arg b "$BDI" '.devices[] | select(.bdi == $b) | .learned |
		.worse_s * 50 <= .watched_s')
	is "$worse" true 'no more than 2 % of the time in worse values'
	stop_run TERM
	is "$(read_kb)" 128 'the original is back'
	diag "$(grep -v margin "$T/run.log")"
	done_testing
fi
ok 'a stream on hdd: 1024 KB or more is found' read_until 150 stream said '(1024|2048) KB for sequential in place of [0-9]+: \+.* kept'
stop_reading
found=$(status_json | jq -r --arg b "$BDI" '.devices[] | select(.bdi == $b) | .learned.values[] |
	select(.kind == "trim" and .class == "sequential") | .kb')
ok 'and shown by status' [ "${found:-0}" -ge 1024 ]
worse=$(status_json | jq -r --arg b "$BDI" '.devices[] | select(.bdi == $b) | .learned |
	.worse_s * 50 <= .watched_s')
is "$worse" true 'no more than 2 % of the time in worse values'
diag "$(grep -v margin "$T/run.log")"
stop_run TERM
is "$(read_kb)" 128 'the original is back'

start_run
probe_on
ok 'the next process begins there' read_until 12 stream kb_at_least $((found - 4))
"$BPFAHEAD" config probe=off >/dev/null || die 'config probe=off'
ok 'switched off: the policy again' wait_for 20 kb_is 252
stop_reading
stop_run TERM

# --- objects -----------------------------------------------------------------------------------

need_throttle 125000000 3000
start_run
probe_on
"$BPFAHEAD" config policy.objects=32 >/dev/null || die 'config'
ok 'objects of 16 KB on cloud: 64 KB is found' read_until 120 objects said '64 KB for (objects|pages) in place of 32: .* kept'
nap 12
rate=$(rate $(($(grep -v total "$T/reader" | tail -1 | cut -d' ' -f1) - 8000)))
is "$(read_kb)" 60 'and stays'
changes=$(grep -c 'margin' "$T/run.log")
nap 12
ok 'no two values take turns' [ $(($(grep -c 'margin' "$T/run.log") - changes)) -le 2 ]
diag "$(cut -d' ' -f1-16 "$T/run.log")"
diag "$rate objects a second at 60 KB"
ok 'it is remembered as the value of both' grep -q '^pair = .* objects 64 32 ' "$BPFAHEAD_STATE_DIR/learned.ini"
stop_reading
nap 1
ok 'single pages in their place are told' read_until 400 pages kb_is 16
diag "$(cut -d' ' -f1-16 "$T/run.log" | tail -12)"
stop_reading
stop_run TERM

# --- a page at a time: on cloud, where reads are the limit --------------------------------------

# A day's budget, and nothing learned; the row says 16 KB.
begin_at_16() {
	echo "device = fs-uuid:$(blkid -s UUID -o value "$LOOP") 86400000 0 0 0 0 0 0" >"$BPFAHEAD_STATE_DIR/learned.ini"
	start_run
	probe_on
	"$BPFAHEAD" config policy.objects=16 policy.pages=16 >/dev/null || die 'config'
}
outcome() { grep -E ': 4 KB for (objects|pages) in place of 16: ' "$T/run.log" | tail -1; }
tried_4() { [ -n "$(outcome)" ]; }

begin_at_16
ok 'objects of 4 KB across two pages: 4 KB is tried' read_until 120 across tried_4
nap 3
like "$(outcome)" ': 16 KB again$' 'cuts them, and is not kept'
is "$(read_kb)" 16 'but 16 KB is'
diag "$(cut -d' ' -f1-16 "$T/run.log")"
stop_reading
stop_run TERM

command -v fio >/dev/null || die 'fio is missing: tests/deps.sh test'
memory=/sys/fs/cgroup/memory/bpfahead-test-$$
[ ! -f "$CGROUP/io.max" ] || memory=$CGROUP
if [ "$memory" != "$CGROUP" ]; then
	mkdir "$memory" || die "mkdir $memory"
	cgroups+=("$memory")
fi
limit=$memory/memory.max
[ -f "$limit" ] || limit=$memory/memory.limit_in_bytes
echo 256M >"$limit" || die "$limit"
begin_at_16
forget "$MNT/data"
# shellcheck disable=SC2016 # for the inner shell
bash -c 'echo $$ >"$0/cgroup.procs" && echo $$ >"$1/cgroup.procs" && shift && exec "$@"' "$CGROUP" "$memory" \
	fio --name=1 --ioengine=mmap --rw=randread --bs=4k --filename="$MNT/data" --size=2g --thread \
	--random_distribution=zoned:90/10:10/90 --time_based --runtime=600 --fadvise_hint=0 \
	--invalidate=0 --norandommap --randrepeat=0 --readonly >"$T/fio.log" 2>&1 &
LOAD_PID=$!
pids+=("$LOAD_PID")
ok 'a hot set in little memory: 4 KB is tried' wait_for 120 tried_4
nap 3
like "$(outcome)" ': kept$' 'pays, and is kept'
is "$(read_kb)" 4 'and stays'
diag "$(cut -d' ' -f1-16 "$T/run.log")"
stop_load
stop_run TERM
done_testing
