#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A lane of the proof that is ended in the second phase of a day leaves nothing behind: neither the program
# and what follows its report, nor bpfahead, nor device, mount and control groups.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
need fio jq
make_loop 96
make_fs "$LOOP" ext4
need_throttle 125000000 3000
mkdir "$MNT/rocksdb" "$T/bin" "$T/work"
fill_file "$MNT/rocksdb/1.sst" 48
touch "$MNT/rocksdb/CURRENT"
umount "$MNT"
losetup -d "$LOOP"

# In the place of db_bench: reads its tables and reports operations once a second.
cat >"$T/bin/db_bench" <<'SCRIPT'
#!/bin/bash
for word; do
	case $word in
	--db=*) db=${word#*=} ;;
	--report_file=*) report=${word#*=} ;;
	esac
done
echo secs_elapsed,interval_qps >"$report"
for ((n = 1; n < 100; n++)); do
	dd if="$db/1.sst" iflag=nocache count=0 status=none
	cat "$db/1.sst" >/dev/null
	sleep 1
	echo "$n,100" >>"$report"
done
SCRIPT
chmod +x "$T/bin/db_bench"

printf '%s pages rocksdb 96 readrandom\n' seq128k mmaprand4k scan256k files64k >"$T/workloads"
export EFFECT_DIR=$T/work EFFECT_CELLS=$T/cells.csv EFFECT_WORKLOADS=$T/workloads
export BUILD_HASH=0123456789 DAY_SECONDS=3
: >"$EFFECT_CELLS"
lane_processes() { pgrep -f -- "$T/work/bpfahead-test|--db=$T/work|--report_file=$T/work"; }
in_second_phase() { [ -s "$EFFECT_CELLS" ] && lane_processes && [ -s "$(echo "$T"/work/bpfahead-test.*/progress)" ]; }
in_lane() { compgen -G "/sys/fs/cgroup/*/bpfahead-*-$lane"; }
no_lane_process() { ! lane_processes && [ ! -d "/proc/$own" ]; }
slow_disk_gone() { ! pgrep -f "^$slow_disk $T/disk-0 " && ! grep -F "$T/work" /proc/mounts; }
no_directory() { ! compgen -G "$T/work/bpfahead-test*"; }

# ended PROFILE: such a lane, ended.
ended() {
	local profile=$1
	: >"$EFFECT_CELLS"
	echo none >"$EFFECT_DIR/calibrated.$profile.$BUILD_HASH" # so there is nothing to measure before the cell
	echo "bpfahead 1 day" >"$T/queue"
	PATH=$T/bin:$PATH TMPDIR=$T/work tests/effect/lane.sh "$profile" "$T/disk-0" "$T/queue" >"$T/lane.log" 2>&1 &
	lane=$!
	pids+=("$lane")
	wait_for 60 quietly in_second_phase || die "the lane measures nothing: $(tail -3 "$T/lane.log")"
	own=$(pgrep -P "$lane" -x bpfahead)
	ok "$profile: bpfahead runs beside the program" test -n "$own"
	ok "$profile: the report is followed" quietly lane_processes
	ok "$profile: in control groups of its own" quietly in_lane
	[ "$profile" != network ] || {
		ok "$profile: a slow disk" quietly pgrep -f "^$slow_disk $T/disk-0 "
		like "$(cat "$T/work/logs/network.disk")" 'day\.1\.[^ ]* requests [1-9]' "$profile: the slow disk's figures of a phase"
	}
	kill "$lane"
	wait "$lane"
	is $? 130 "$profile: the lane was ended"
	ok "$profile: no process of it is left" quietly wait_for 5 no_lane_process
	[ "$profile" != network ] ||
		ok "$profile: no slow disk" slow_disk_gone
	is "$(losetup -j "$T/disk-0")" '' "$profile: no loop device"
	ok "$profile: no control group" eval '! in_lane'
	ok "$profile: no directory" no_directory
}

ended cloud
if reason=$(no_slow_disk); then
	skip network "$reason"
else
	ended network
fi

# In turns, a cell has what fio's jobs read in its seconds, and bpfahead's warm-up is a line of its own. On a busy
# machine a reader waits and makes up for it: what it is to have is counted by fio's own reports, which are kept.
export TURN_SECONDS=6 TURN_WARM_SECONDS=0.5
fio=$(command -v fio)
cat >"$T/bin/fio" <<SCRIPT
#!/bin/bash
set -o pipefail
"$fio" "\$@" | tee -a "$T/reports"
SCRIPT
chmod +x "$T/bin/fio"
words='filename=rocksdb/1.sst rw=read bs=128k rate=4m | filename=rocksdb/1.sst numjobs=4 rw=randread bs=4k rate_iops=100'
: >"$EFFECT_CELLS"
echo none >"$EFFECT_DIR/calibrated.fast.$BUILD_HASH"
printf '%s\n' "128 1 both mixed fio 32 $words" "bpfahead 1 both mixed fio 32 $words" >"$T/queue"
PATH=$T/bin:$PATH TMPDIR=$T/work tests/effect/lane.sh fast "$T/disk-0" "$T/queue" >"$T/lane.log" 2>&1
is "$(cut -d , -f 5-9 "$EFFECT_CELLS" | paste -sd ' ')" \
	"128,$BUILD_HASH,1,0.5,6 bpfahead.lag,$BUILD_HASH,1,0,3 bpfahead,$BUILD_HASH,1,3,6" 'turns: a cell each, and one of the warm-up' ||
	diag "$(tail -5 "$T/lane.log")"
# had FROM-MS TO-MS RUN: "MB READS MB READS" of both jobs in that time of fio's n-th run.
# shellcheck disable=SC2016 # for perl
had() {
	sed -n '/^{/,/^}/p' "$T/reports" | jq -r '[.jobs[].read | .runtime, .io_bytes / 1e6, .total_ios] | @tsv' | perl -ane '
		BEGIN { ($from, $to, $wanted, $run, @had) = (splice(@ARGV, 0, 3), 1, (0) x 4) }
		($run, @was) = ($run + 1) if @was && $F[0] < $was[0];
		for my $job ($run == $wanted ? (0, 1) : ()) {
			my ($was, $now) = ($was[3 * $job] // 0, $F[3 * $job]);
			my $begin = $was > $from ? $was : $from;
			my $end = $now < $to ? $now : $to;
			next if $end <= $begin;
			for (0, 1) {
				my $n = 3 * $job + 1 + $_;
				$had[2 * $job + $_] += ($F[$n] - ($was[$n] // 0)) * ($end - $begin) / ($now - $was);
			}
		}
		@was = @F;
		END { print "@had\n" }' "$@"
}
# shellcheck disable=SC2016 # for perl
while IFS=, read -r _ _ _ _ column _ _ _ seconds rate _ iops _ _ stream random _; do
	case $column in
	128) run=1 from=500 ;;
	bpfahead.lag) run=2 from=0 ;;
	bpfahead) run=2 from=3000 ;;
	esac
	ok "turns, $column: $stream MB/s of 4.19, $random reads of 400, $rate MB/s of both, $iops reads" \
		perl -e '
			my ($s, $rate, $iops, $stream, $random) = splice @ARGV, 0, 5;
			my ($mb, $n, $random_mb, $random_n) = map { $_ / $s } split " ", $ARGV[0];
			sub near { abs($_[0] - $_[1]) <= 0.001 * $_[1] + 0.05 }
			exit !($stream > 0.5 && $random > 50 && near($stream, $mb) && near($random, $random_n) &&
				near($rate, $mb + $random_mb) && near($iops, $n + $random_n))' \
		"$seconds" "$rate" "$iops" "$stream" "$random" "$(had "$from" $((from + seconds * 1000)) "$run")"
done <"$EFFECT_CELLS"
done_testing
