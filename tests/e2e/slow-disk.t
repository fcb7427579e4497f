#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The proof's disk with latency: never answers before its time, answers what is asked at once at once,
# keeps to its bandwidth, has the image's bytes, and goes with its last user.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
! reason=$(no_slow_disk) || skip_all "$reason"
need fio

image=$T/image dir=$T/dir
mkdir "$dir"
head -c 16M /dev/urandom >"$image"
sync "$image"

exits() { # STATUS ARGUMENT...
	local status=$1
	shift
	"$slow_disk" "$@" >"$T/said" 2>&1
	[ $? = "$status" ] && [ -s "$T/said" ] && ! mountpoint -q "$dir"
}
ok 'a latency that is no number is refused' exits 2 "$image" "$dir" 5x 1000000
ok 'a negative one, too' exits 2 "$image" "$dir" -1 1000000
ok 'a bandwidth of none' exits 2 "$image" "$dir" 500 0
ok 'an image that is not there' exits 1 "$T/none" "$dir" 500 1000000
ok 'a directory that is not there' exits 1 "$image" "$T/none" 500 1000000

start() { # LATENCY_US BYTES_PER_S
	"$slow_disk" "$image" "$dir" "$@" || die "slow-disk $*"
	[ "${mounts[*]}" = "$dir" ] || mounts+=("$dir")
	pid=$(pgrep -f "^$slow_disk $image ") || die 'no process'
}
gone() { [ ! -e "/proc/$pid/exe" ]; } # or a zombie
stat_of() { awk -v n="$1" '$1 == n { print $2 }' <<<"$stats"; }
# takes COMMAND...: sets US
takes() {
	US=$(now_us)
	"$@" || return
	US=$(($(now_us) - US))
}
at_least() { diag "$US us" && [ "$US" -ge "$1" ]; }
read_one() { dd if="$1" of=/dev/null bs=4k count=1 skip="$2" iflag=direct status=none; }

start 100000 1000000000
takes read_one "$dir/disk" 7
ok 'a read is not answered before the latency is over' at_least 100000
stats=$(<"$dir/stats")
is "$(stat_of requests) $(stat_of bytes) $(stat_of most_at_once)" '1 4096 1' 'one request of a page'
stats=$(<"$dir/stats")
is "$(stat_of requests) $(stat_of bytes) $(stat_of most_at_once)" '0 0 0' 'the figures begin anew'
odd_read() { dd if="$dir/disk" of=/dev/null bs=100 count=1 iflag=direct status=none 2>"$T/said"; }
odd_read
is $? 1 'less than a block is an error'
like "$(<"$T/said")" 'Invalid argument' 'EINVAL'

attach_loop "$dir/disk"
is "$(<"/sys/block/$NAME/loop/dio")" 1 'a loop device has direct I/O on it'
ok 'the bytes are the image' cmp "$LOOP" "$image"
blockdev --flushbufs "$LOOP"
: "$(<"$dir/stats")"
# 64 reads, 16 at once: 0.4 s and what a busy machine adds; one after the other they were 6.4 s.
takes quietly fio --name=1 --filename="$LOOP" --readonly --direct=1 --ioengine=libaio --iodepth=16 \
	--rw=randread --bs=4k --number_ios=64 --randseed=1 --allow_file_create=0
ok 'four rounds of 16 take four latencies' at_least 400000
stats=$(<"$dir/stats")
diag "${stats//$'\n'/ }"
ok 'reads through the loop device overlap' test "$(stat_of most_at_once)" -ge 8
takes dd if=/dev/zero of="$LOOP" bs=4k count=1 seek=3 oflag=direct conv=notrunc status=none
ok 'a write takes the latency, too' at_least 100000
is "$(dd if="$image" bs=4k skip=3 count=1 iflag=direct status=none | tr -d '\0' | wc -c)" 0 'and is in the image'

umount -l "$dir"
nap 0.3
ok 'what holds the disk keeps it' read_one "$LOOP" 9
losetup -d "$LOOP"
ok 'its process goes with the last user' wait_for 10 gone

start 0 4000000
takes quietly dd if="$dir/disk" of=/dev/null bs=1M count=2 iflag=direct status=none
ok '2 MiB at 4 MB/s take half a second' at_least 524288
kill "$pid"
ok 'a signal ends it' wait_for 10 gone
mountpoint -q "$dir"
is $? 32 'and its mount'
done_testing
