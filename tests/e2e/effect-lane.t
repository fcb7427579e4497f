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
echo none >"$EFFECT_DIR/calibrated.cloud.$BUILD_HASH" # so there is nothing to measure before the cell
echo "bpfahead 1 day" >"$T/queue"
lane_processes() { pgrep -f -- "$T/work/bpfahead-test|--db=$T/work|--report_file=$T/work"; }
in_second_phase() { [ -s "$EFFECT_CELLS" ] && lane_processes && [ -s "$(echo "$T"/work/bpfahead-test.*/progress)" ]; }
in_lane() { compgen -G "/sys/fs/cgroup/*/bpfahead-*-$lane"; }

PATH=$T/bin:$PATH TMPDIR=$T/work tests/effect/lane.sh cloud "$T/disk-0" "$T/queue" >"$T/lane.log" 2>&1 &
lane=$!
pids+=("$lane")
wait_for 60 quietly in_second_phase || die "the lane measures nothing: $(tail -3 "$T/lane.log")"
own=$(pgrep -P "$lane" -x bpfahead)
ok 'bpfahead runs beside the program' test -n "$own"
ok 'the report is followed' quietly lane_processes
ok 'in control groups of its own' quietly in_lane
kill "$lane"
wait "$lane"
is $? 130 'the lane was ended'
no_lane_process() { ! lane_processes && [ ! -d "/proc/$own" ]; }
ok 'no process of it is left' quietly wait_for 5 no_lane_process
is "$(losetup -j "$T/disk-0")" '' 'no loop device'
ok 'no control group' eval '! in_lane'
no_directory() { ! compgen -G "$T/work/bpfahead-test*"; }
ok 'no directory' no_directory
done_testing
