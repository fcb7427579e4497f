#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# What the kernel says of runs of known length, at a small, a usual and a large readahead.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/holders.sh
. "$(dirname "$0")/../holders.sh"
need fio dd awk

# What is cached is not read again, and what is left of a run that meets it joins the next: the 6 s of
# a recording read no more than a seventh of the file.
make_loop 1152
make_fs "$LOOP" ext4
fill_file "$MNT/data" 1024
need_holders
need_throttle 24000000 1500
start_run --dry-run

# median COLUMN: over the hops recorded of this device. At 2560 KB one holds some 16 runs of 256 KB, and
# is off by a fifth for that alone; a dozen of them are not.
median() {
	awk -F, -v name="$1" -v bdi="$BDI" '
		NR == 1 { for (i = 1; i <= NF; i++) column[$i] = i; next }
		$column["part"] == "hop" && $column["device"] ~ "^" bdi "( |$)" { print $column[name] }
	' "$T/windows.csv" | sort -n | awk '{ v[NR] = $1 } END { print NR ? v[int((NR + 1) / 2)] : 0 }'
}
near() { [ $(($1 * 3)) -ge $(($2 * 2)) ] && [ $(($1 * 2)) -le $(($2 * 3)) ]; }
falling() { [ "$1" -gt "$2" ] && [ "$2" -gt "$3" ]; }

for kb in 16 128 2560; do
	set_kb "$kb"
	for run in 64 256; do
		forget "$MNT/data"
		start_reading "runs-${run}k" "$MNT/data"
		nap 1
		forget "$MNT/data" # however long it has taken to get here
		ok "windows of ${run} KB runs at $kb KB are recorded" \
			"$BPFAHEAD" record --device "$NAME" --seconds 6 --label mixed -o "$T/windows.csv" >"$T/record.log"
		stop_load
		run_kb=$(($(median run_pages_q8) / 64))
		ok "runs of $run KB at $kb KB: measured $run_kb KB, within a factor of 1.5" \
			near "$run_kb" "$run"
		used[kb]=$(median used_ratio)
	done
done
ok "less is used of a larger readahead (${used[*]} of 65536)" \
	falling "${used[16]}" "${used[128]}" "${used[2560]}"

# Two scans of one file, by large requests and small ones, go on in step: neither jumps. One that reads
# 16 KB of each 64 does.
jumps() { # LABEL
	"$BPFAHEAD" record --device "$NAME" --seconds 6 --label "$1" -o "$T/windows.csv" >"$T/record.log" ||
		diag "$(<"$T/record.log")"
	jump_share=$(median jump_share)
}
for kb in 36 60 2560; do
	set_kb "$kb"
	forget "$MNT/data"
	start_reading sequential "$MNT/data"
	nap 1
	start_hold data --read
	nap 1
	jumps sequential
	ok "two scans of a file at $kb KB do not jump ($jump_share of 65536)" test "$jump_share" -lt 1000
	stop_load
	stop_pid "${HOLD[data]}"
	forget "$MNT/data"
	start_reading strided "$MNT/data"
	nap 1
	jumps random
	ok "a strided reader at $kb KB does ($jump_share of 65536)" test "$jump_share" -gt 60000
	stop_load
done

stop_run TERM
done_testing
