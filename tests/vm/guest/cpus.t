#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# CPUs go offline and come back while readers run on them: what they have counted stays counted, no
# total runs backwards, and decisions go on. In a guest of vm.sh with -c 4 -d virtio:1024:blk.
# shellcheck source=tests/vm/guest/lib.sh
. "$(dirname "$0")/lib.sh"
need_guest
need fio jq dd bpftool taskset
[ "$(nproc --all)" -ge 4 ] || die 'fewer than 4 CPUs: the options are in tests/vm/rows'

cpu() { echo "$2" >"/sys/devices/system/cpu/cpu$1/online" || die "CPU $1: cannot write $2"; }
online() { cat /sys/devices/system/cpu/online; }

disk blk
use_device "$DISK"
# The disk is larger than what is read of it: what is cached is not read again.
throttle 4000000 300 || die throttle
set_kb 192
start_run

# --- what one CPU has counted, once it is offline ---
slot() { status_json | jq -r --arg n "$BDI" '.devices[] | select(.bdi == $n) | .bdi_id % 256'; }
map() { bpftool -j map lookup pinned "$BPFAHEAD_PIN_DIR/$1" key "$(slot)" 0 0 0; }
# The block reads in the newest boundary of a window: the sum over CPUs, as the kernel program took it.
summed() { map bdis | jq '.formatted.value | .ring[.ring_head].total[0]'; }
counted_by() { map counters | jq --argjson cpu "$1" '.formatted.values[] | select(.cpu == $cpu).value.total[0]'; }
read_on() { taskset -c "$1" dd if="$DISK" of=/dev/null bs=16k count="$2" skip="$((RANDOM))" iflag=direct status=none; }

read_on 3 200
is "$(counted_by 3)" 200 'CPU 3 has counted its reads'
before=$(summed)
cpu 3 0
sum_has_them() {
	read_on 0 2
	[ "$(summed)" -ge 200 ]
}
ok "the window that was open (at $before reads) sums them while CPU 3 is offline" wait_for 15 sum_has_them
is "$(counted_by 3)" 200 'CPU 3, offline, still has its count'
cpu 3 1
read_on 3 50
is "$(counted_by 3)" 250 'CPU 3, online again, counts on'

# --- 50 times, under load ---
sample() { status_json | jq -c --arg n "$BDI" '.counters, (.devices[] | select(.bdi == $n) | .counters)' | jq -sc add; }
# No counter of the second sample is less than in the first.
# shellcheck disable=SC2016 # jq's
grows='. as [$old, $new] | [$old | keys[] | select($new[.] == null or $new[.] < $old[.])] | length == 0'

mapfile -t arguments < <(load_args mmap-random "$DISK")
"${in_cgroup[@]}" "$CGROUP" fio "${arguments[@]}" --numjobs=4 --runtime=3600 >"$T/fio.log" 2>&1 &
LOAD_PID=$!
pids+=("$LOAD_PID")
first=$(sample) last=$first last_sum=$(summed) backwards=()
for ((n = 0; n < 50; n++)); do
	c=$((n % 3 + 1))
	cpu $c 0
	[ $((n % 5)) != 4 ] || {
		now=$(sample) sum=$(summed)
		jq -sce "$grows" <<<"$last $now" >/dev/null || backwards+=("$last then $now")
		[ "$sum" -ge "$last_sum" ] || backwards+=("$last_sum reads, then $sum")
		last=$now last_sum=$sum
	}
	cpu $c 1
done
is "${#backwards[@]}" 0 '50 times offline and online under load: no counter runs backwards'
[ ${#backwards[@]} = 0 ] || diag "${backwards[@]}"
is "$(online)" "0-$(($(nproc --all) - 1))" 'all CPUs are back'
is "$(jq .negative <<<"$last")" 0 'no window was thrown away because a total ran backwards'
ok "windows were evaluated meanwhile ($(jq .windows <<<"$first") to $(jq .windows <<<"$last"))" \
	test "$(jq .windows <<<"$last")" -gt $(($(jq .windows <<<"$first") + 5))
ok 'and a decision taken' wait_for 20 settled 192
like "$(classic "$(decided_class)")" '^(random|mixed)$' "which is about random reads ($(decided_class))"

# --- with one CPU left, the other way; and back ---
for c in 1 2 3; do cpu $c 0; done
stop_load
start_load sequential "$DISK"
is_sequential() { [ "$(classic "$(decided_class)")" = sequential ]; }
ok 'on one CPU of four, the next pattern is decided on' wait_for 30 is_sequential
stop_load
for c in 1 2 3; do cpu $c 1; done
start_load mmap-random "$DISK"
is_random() { [ "$(classic "$(decided_class)")" = random ]; }
ok 'and with all of them back' wait_for 30 is_random
is "$(sample | jq .negative)" 0 'no total ran backwards'
stop_run TERM
stop_load
is "$RUN_STATUS:$(read_kb)" 0:192 'run ends with status 0, the original is back'
[ $tests_failed = 0 ] || diag "$(tail -n 40 "$T/run.log")" "$(tail -n 20 "$T/run.err")"
done_testing
