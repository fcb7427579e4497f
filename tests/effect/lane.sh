#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# lane.sh PROFILE IMAGE QUEUE - one loop device, throttled or slow as the profile says: takes cells from the
# queue (lines "COLUMN REPEAT WORKLOAD-LINE") until it is empty, and adds a line to the file of cells
# for each. run.sh starts it.
# shellcheck source=tests/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
# shellcheck source=tests/effect/common.sh
. "$TOP/tests/effect/common.sh"

profile=$1 image=$2 queue=$3
needed=(fio jq)
[[ ! $(<"$queue") =~ \ rocksdb\  ]] || needed+=(db_bench)
[[ ! $(<"$queue") =~ \ sqlite\  ]] || needed+=(sqlite3)
need "${needed[@]}"
chmod 755 "$T" # PostgreSQL's own user goes through
pg_bin=$(echo /usr/lib/postgresql/*/bin)
say() { printf '%(%T)T %s %s: %s\n' -1 "$profile" "${NAME-}" "$*" >&2; }

# --- the device --------------------------------------------------------------------------------

options=()
[ ! -b "$image" ] || options=(--sector-size 4096) # what zram reads in
read -r bytes iops _ latency_us rate <<<"${limits[$profile]}"
if [ -n "$latency_us" ]; then
	mkdir "$T/disk"
	"$slow_disk" "$image" "$T/disk" "$latency_us" "$rate" || die "no slow disk of $image"
	mounts+=("$T/disk") # its process goes with the last user, which is the loop device
	image=$T/disk/disk
fi
attach_loop "$image" "${options[@]}"
[ "$(<"/sys/block/$NAME/loop/dio")" = 1 ] || die "no direct I/O on $image"
original_kb=$(read_kb)
MNT=$T/mnt
mkdir "$MNT"
mounts+=("$MNT")
if [ "$bytes" = 0 ]; then
	bytes=4000000000000 iops=4000000000
fi
throttle "$bytes" "$iops" || die 'no cgroup here limits the rate of block reads'
export BPFAHEAD_STATE_DIR=$T/state
mkdir -p "$work/logs"

memory=/sys/fs/cgroup/memory/bpfahead-effect-$$
[ ! -f "$CGROUP/io.max" ] || memory=$CGROUP
if [ "$memory" != "$CGROUP" ]; then
	mkdir "$memory" || die "mkdir $memory"
	cgroups+=("$memory")
fi
memory_of() { awk '{ print $4 }' <<<"$1"; }
limit_memory() { # MB[+MB]
	local file=$memory/memory.max
	[ -f "$file" ] || file=$memory/memory.limit_in_bytes
	wait_for 5 write_to "$file" "${1%+*}M" || die "$file: no limit of $1 MB"
}

# A file system that was not mounted has nothing in the page cache. Where the files are many, their
# inodes are: reading those is not what is measured.
fresh() {
	local dir
	wait_for 10 quietly unmounted || die "$MNT is busy"
	mount -o noatime "$LOOP" "$MNT" || die "mount $LOOP"
	for dir in "$MNT"/files*; do
		case $line in
		*directory="${dir##*/}"*) find "$dir" -type f -size +0 | wc -l >/dev/null ;;
		esac
	done
	# By the reader's control group, which pays for the memory.
	[[ $(memory_of "$line") != *+* ]] || (exec {in_memory}>"$memory/cgroup.procs" &&
		echo $BASHPID >&$in_memory && exec head -c "$(memory_of "$line" | sed 's/.*+//')M" "$MNT/big" >/dev/null)
}
unmounted() { ! mountpoint -q "$MNT" || umount "$MNT" 2>/dev/null; }

# in_lane COMMAND...: limited in reads and memory.
# shellcheck disable=SC2016 # for the inner shell
in_lane=(bash -c 'echo $$ >"$0/cgroup.procs" && echo $$ >"$1/cgroup.procs" && shift && exec "$@"'
	"$CGROUP" "$memory")

# --- programs: each is started in the background, PROGRAM_PID, and leaves what `measured` reads -------

fio_options() { # WORD...
	local word n=1
	printf '%s\n' --name=1
	for word; do
		if [ "$word" = '|' ]; then
			n=$((n + 1))
			printf '%s\n' --name=$n --new_group
		else
			printf '%s\n' "--$word"
		fi
	done
}

start_fio() { # WARM SECONDS WORD...
	local options warm=$1 seconds=$2 clock
	shift 2
	clock=(--runtime="$seconds" --ramp_time="$warm")
	# In turns the warm-up is measured too, from what each job had read at every tenth of a second. Not from
	# fio's bandwidth logs: after a stall these say several times of what was read.
	! in_turns "$profile" ||
		clock=(--runtime="$(ms_of "$warm $seconds")ms" --status-interval=100ms)
	mapfile -t options < <(fio_options "$@")
	(cd "$MNT" && exec "${in_lane[@]}" fio --ioengine=psync --thread --time_based "${clock[@]}" \
		--fadvise_hint=0 --invalidate=0 --norandommap --randrepeat=0 --rw_sequencer=sequential \
		--allow_file_create=0 --readonly --group_reporting --output-format=json \
		"${options[@]}") >"$T/fio.json" 2>"$T/said" &
	PROGRAM_PID=$!
}

# What a program prints becomes lines "TIME UNITS SECONDS" in $T/progress: so many units in so many
# seconds that ended then.
meter() {
	perl -MTime::HiRes=time -ne 'BEGIN { $| = 1; $how = shift; $last = time }
		if ($how eq "rocksdb") {
			# A pass that is over before its first second is up says so in its last line only.
			if (/: \((\d+),\d+\) ops and .* in \(([\d.]+),/) {
				printf("%.3f %s %s\n", time, $1, $2);
				$said = 1;
			} elsif (/ ops\/sec ([\d.]+) seconds (\d+) operations/) {
				printf("%.3f %s %s\n", time, $2, $1) unless $said;
				$said = 0;
			}
		} elsif ($how eq "report") {
			printf("%.3f %s 1\n", time, $1) if /^\d+,(\d+)$/;
		} elsif ($how eq "pgbench") {
			printf("%.3f %s 1\n", time, $1) if /^progress: [\d.]+ s, ([\d.]+) tps/;
		} elsif (/^([\d.]+)$/) {
			$now = time;
			$units += $1;
			next if $now - $last < 0.2;
			printf("%.3f %s %.6f\n", $now, $units, $now - $last);
			($last, $units) = ($now, 0);
		}' "$1" >"$T/progress"
}

# Tables are hard links: no benchmark writes to one that is there.
start_rocksdb() { # WARM SECONDS BENCHMARK WORD...
	local db=$MNT/scratch benchmark=$3 seconds more=()
	seconds=$((($(ms_of "$1 $2") + 1999) / 1000))
	shift 3
	rm -rf "$db"
	mkdir "$db"
	ln "$MNT"/rocksdb/*.sst "$db" || die 'no links of the RocksDB'
	find "$MNT/rocksdb" -maxdepth 1 -type f ! -name '*.sst' ! -name 'LOG*' -exec cp -t "$db" {} +
	case $benchmark in
	# These end with the table, and are begun again. What they say of themselves comes every 1,000
	# operations, too seldom for the others; the report starts anew with each.
	readseq | readreverse) benchmark=$(yes "$benchmark" | head -n 100 | paste -sd ,) ;;
	mixgraph)
		more=(--key_dist_a=0.002312 --key_dist_b=0.3467 --keyrange_dist_a=14.18
			--keyrange_dist_b=-2.917 --keyrange_dist_c=0.0164 --keyrange_dist_d=-0.08082
			--keyrange_num=30 --value_k=0.2615 --value_sigma=25.45 --iter_k=2.517
			--iter_sigma=14.236 --mix_get_ratio=0.85 --mix_put_ratio=0.14
			--mix_seek_ratio=0.01)
		;;
	esac
	more+=(--db="$db" --use_existing_db=true --benchmarks="$benchmark" --num=2400000 --value_size=400
		--write_buffer_size=16777216 --compression_type=none --duration="$seconds"
		--cache_size=8388608)
	if [[ $benchmark == *,* ]]; then
		"${in_lane[@]}" db_bench "${more[@]}" --stats_interval_seconds=1 "$@" 2>&1 | tee "$T/said" |
			meter rocksdb &
		PROGRAM_PID=$!
	else
		: >"$T/report"
		tail -n +1 -f "$T/report" > >(meter report) &
		PROGRAM_PID=$! tail_pid=$!
		pids+=($!)
		"${in_lane[@]}" db_bench "${more[@]}" --report_interval_seconds=1 \
			--report_file="$T/report" "$@" >"$T/said" 2>&1 &
		pids+=($!)
	fi
}

start_sqlite() { # WARM SECONDS scan|point MMAP-MB
	perl -e 'my ($how, $mb) = @ARGV;
		print ".once /dev/null\npragma mmap_size = ", $mb << 20, ";\n";
		srand(1);
		for (my $n = 0; ; $n++) {
			if ($how eq "scan") { # the whole table, and again, said every 500 rows
				my $from = $n % 4000 * 500;
				print "select 500 + 0 * sum(length(v)) from t where id > $from and id <= $from + 500;\n";
			} else {
				print "select 0 * (", join(" + ", map {
					"(select length(v) from t where id = " . (1 + int(rand(2000000))) . ")"
				} 1 .. 20), ") + 20;\n";
			}
		}' "$3" "$4" 2>/dev/null |
		"${in_lane[@]}" stdbuf -oL sqlite3 -readonly "$MNT/sqlite.db" 2>"$T/said" |
		meter lines &
	PROGRAM_PID=$!
}

as_postgres=(setpriv --reuid postgres --regid postgres --clear-groups --)
pg_running=
start_server() {
	pg_running=1
	"${in_lane[@]}" "${as_postgres[@]}" "$pg_bin/pg_ctl" -D "$MNT/pg/data" -w -l /dev/null start \
		>"$T/pg.log" 2>&1 || die "pg_ctl: $(tail -1 "$T/pg.log")"
}
stop_server() {
	[ -n "$pg_running" ] || return 0
	pg_running=
	"${as_postgres[@]}" "$pg_bin/pg_ctl" -D "$MNT/pg/data" -w -m fast stop >"$T/pg.log" 2>&1
}

start_postgresql() { # WARM SECONDS scan|select
	if [ "$3" = select ]; then
		"${in_lane[@]}" "${as_postgres[@]}" "$pg_bin/pgbench" -h "$MNT/pg" -S -n -c 4 -P 1 \
			-T $(($(ms_of "$1 $2") / 1000 + 3)) postgres 2>&1 >"$T/said" | meter pgbench &
	else
		"${in_lane[@]}" "${as_postgres[@]}" "$pg_bin/psql" -q -h "$MNT/pg" postgres \
			>"$T/said" 2>&1 < <(yes 'select sum(abalance) from pgbench_accounts;') &
		pids+=($!)
		scan_progress | meter lines &
	fi
	PROGRAM_PID=$!
}
# What the server process of the scan has read(2), as MB.
scan_progress() {
	local pid='' before='' now n
	for ((n = 0; n < 2000; n++)); do
		[ -n "$pid" ] || [ $n -lt 20 ] || return 0
		[ -n "$pid" ] || pid=$(pgrep -f "^postgres: postgres postgres .local. SELECT" -G postgres |
			while read -r p; do ! grep -q "${CGROUP##*/}" "/proc/$p/cgroup" || echo "$p"; done | head -1)
		if [ -n "$pid" ]; then
			now=$(awk '/^rchar/ { print $2 }' "/proc/$pid/io" 2>/dev/null) || return 0
			[ -n "$now" ] || return 0
			[ -z "$before" ] || awk -v n=$((now - before)) 'BEGIN { printf "%.3f\n", n / 1e6; fflush() }'
			before=$now
		fi
		nap 0.5
	done
}

tail_pid='' own_pids=() # of bpfahead, which outlives a program
stop_program() {
	stop_server
	kill_cgroup "$CGROUP"
	[ -z "$tail_pid" ] || kill "$tail_pid"
	tail_pid=
	wait "$PROGRAM_PID" 2>/dev/null
	pids=("${own_pids[@]}")
}

# --- a cell ------------------------------------------------------------------------------------

device_read() { # sectors
	local fields
	read -ra fields <"/sys/block/$NAME/stat"
	echo "${fields[2]}"
}

# measured PROGRAM FROM TO UNIT: "RATE UNIT IOPS P99_US STREAM_MBPS RANDOM_IOPS MB_APP_PER_S", - where there is none.
measured() {
	case $1 in
	fio)
		if in_turns "$profile"; then
			fio_measured "$2" "$3"
			return
		fi
		sed -n '/^{/,$p' "$T/fio.json" | jq -er '
			def p99: .read.clat_ns.percentile["99.000000"] // 0 | . / 1000 | round;
			[.jobs[] | select(.error == 0)] |
			if length == 0 or all(.[]; .read.total_ios == 0) then error("no reads") else . end |
			([.[].read.bw_bytes] | add / 1e6 * 1000 | round / 1000) as $mbps |
			"\($mbps) MB/s \([.[].read.iops] | add | . * 10 | round / 10) \(.[-1] | p99) " +
			if length > 1 then "\(.[0].read.bw_bytes / 1e6) \(.[1].read.iops)" else "- -" end +
			" \($mbps)"' 2>>"$T/said"
		;;
	*)
		awk -v from="$2" -v to="$3" -v unit="$4" '
			{ # what lies within the time measured
				begin = $1 - $3 > from ? $1 - $3 : from
				end = $1 < to ? $1 : to
				if (end > begin && $3 > 0) { n += $2 * (end - begin) / $3; s += end - begin }
			}
			END {
				if (!s) exit 1
				printf "%.3f %s - - - - %s\n", n / s, unit, unit == "MB/s" ? n / s : "-"
			}' "$T/progress"
		;;
	esac
}

# fio_measured FROM TO: the same of the seconds from FROM to TO of fio's own clock, from its reports of what
# each job has read until then. How long a read takes is known of the whole time only.
fio_measured() {
	sed -n '/^{/,/^}/p' "$T/fio.json" 2>/dev/null | jq -er '
		.jobs | to_entries[] | "\(.key + 1) " + (.value |
		"\(.read.runtime / 1000) \(.read.io_bytes) \(.read.total_ios) " +
		"\(.read.clat_ns.percentile["99.000000"] // 0 | . / 1000 | round) \(.error)")' 2>>"$T/said" |
		awk -v from="$1" -v to="$2" '
		# The share of a report that lies within the time measured, as if a job read evenly between two.
		$6 { exit failed = 1 }
		{
			begin = was[$1] > from ? was[$1] : from
			end = $2 < to ? $2 : to
			if (end > begin) {
				share = (end - begin) / ($2 - was[$1])
				bytes[$1] += ($3 - had[$1]) * share
				ios[$1] += ($4 - did[$1]) * share
				s[$1] += end - begin
			}
			was[$1] = $2; had[$1] = $3; did[$1] = $4; p99 = $5
			if ($1 > groups) groups = $1
		}
		END {
			if (failed || !groups) exit 1
			for (i = 1; i <= groups; i++) {
				if (!bytes[i] || s[i] < 0.5 * (to - from)) exit 1
				mbps += bytes[i] / 1e6 / s[i]; iops += ios[i] / s[i]
			}
			printf "%.3f MB/s %.1f %d ", mbps, iops, p99
			if (groups > 1) printf "%.3f %.1f", bytes[1] / 1e6 / s[1], ios[2] / s[2]
			else printf "- -"
			printf " %.3f\n", mbps
		}'
}

# ms_of "SECONDS...": their sum.
ms_of() { awk '{ for (i = 1; i <= NF; i++) n += $i; printf "%d", n * 1000 + 0.5 }' <<<"$1"; }
# seconds_of MS
seconds_of() { awk -v n="$1" 'BEGIN { printf "%.3f", n / 1000 }'; }

# run_program LINE WARM SECONDS: measured after so many seconds of warm-up. Sets FIGURES, the fields of
# a cell from the rate on, but for its time, and in turns WARM_FIGURES, those of the warm-up.
run_program() {
	local name program words warm=$2 seconds=$3 unit=op/s before from to sectors warm_sectors kb start
	read -r name _ program _ words <<<"$1"
	read -ra words <<<"$words"
	case "$program ${words[0]}" in
	'sqlite scan') unit=row/s ;;
	'postgresql scan') unit=MB/s ;;
	esac
	: >"$T/progress"
	: >"$T/said"
	[ "$program" != postgresql ] || start_server
	before=$(device_read)
	"start_$program" "$warm" "$seconds" "${words[@]}"
	wait_for 30 device_beyond "$before" || {
		say "$name reads nothing: $(tail -1 "$T/said")"
		stop_program
		return 1
	}
	from=$(($(now_us) / 1000 + $(ms_of "$warm")))
	warm_sectors=$(device_read)
	nap "$warm"
	sectors=$(device_read)
	warm_sectors=$((sectors - warm_sectors))
	if [ "$program" = fio ]; then
		wait "$PROGRAM_PID"
	else
		nap "$seconds"
	fi
	sectors=$(($(device_read) - sectors))
	to=$(($(now_us) / 1000))
	kb=$(read_kb)
	# What a program says once a second is to cover the whole time.
	! in_turns "$profile" || [ "$program" = fio ] || wait_for 2 said_beyond "$(seconds_of "$to")" || true
	stop_program
	WARM_FIGURES=
	start=$((from - $(ms_of "$warm")))
	# fio has a clock of its own.
	if in_turns "$profile" && [ "$program" = fio ]; then
		from=$(ms_of "$warm") to=$(ms_of "$warm $seconds") start=0
	fi
	! in_turns "$profile" || WARM_FIGURES=$(figures "$program" $start "$from" $unit "$warm_sectors" "$kb")
	FIGURES=$(figures "$program" "$from" "$to" $unit "$sectors" "$kb") || {
		say "$name: no figure: $(tail -1 "$T/said")"
		return 1
	}
}
said_beyond() { awk -v to="$1" 'END { exit !($1 >= to) }' "$T/progress"; }

# figures PROGRAM FROM-MS TO-MS UNIT SECTORS KB
figures() {
	local result=()
	read -ra result < <(measured "$1" "$(seconds_of "$2")" "$(seconds_of "$3")" "$4")
	[ ${#result[@]} = 7 ] || return
	awk -v s="$5" -v ms=$(($3 - $2)) -v kb="$6" '{
		OFS = ","
		print $1, $2, $3, $4, $7 == "-" || $7 + 0 == 0 ? "-" : sprintf("%.2f", s * 512 / 1e6 / ($7 * ms / 1000)), $5, $6, kb
	}' <<<"${result[*]}"
}

# start_own COLUMN: bpfahead at the host's default, as an administrator starts it: it knows what
# `calibrate` has found, and nothing that it learned in another cell.
start_own() {
	rm -rf "$BPFAHEAD_STATE_DIR"
	[ ! -d "$work/state.$profile.$BUILD_HASH" ] ||
		cp -a "$work/state.$profile.$BUILD_HASH" "$BPFAHEAD_STATE_DIR"
	case $1 in
	# A trial needs a budget, 2 % of the time watched: that of a device that has been for a day.
	*-probe)
		mkdir -p "$BPFAHEAD_STATE_DIR"
		echo "device = fs-uuid:$(blkid -s UUID -o value "$LOOP") 86400000 0 0 0 0 0 0" \
			>"$BPFAHEAD_STATE_DIR/learned.ini"
		;;
	esac
	start_run
	own_pids=("$RUN_PID")
	case $1 in
	*-probe) "$BPFAHEAD" config probe=on >/dev/null 2>&1 || {
		say 'no probe in this build'
		stop_own "$1"
		return 1
	} ;;
	*) "$BPFAHEAD" config probe=off >/dev/null 2>&1 || true ;;
	esac
}
stop_own() { # NAME-OF-LOG
	stop_run TERM
	own_pids=() pids=()
	cat "$T/run.log" "$T/run.err" >"$work/logs/$1.log"
}

# Once per profile: what it finds is stored by the file system's UUID, which all lanes share.
calibrate() {
	"$BPFAHEAD" calibrate --help >/dev/null 2>&1 || return 0
	exec {calibrating}>"$work/calibrate.$profile"
	flock "$calibrating"
	if [ ! -s "$work/calibrated.$profile.$BUILD_HASH" ]; then
		rm -rf "$BPFAHEAD_STATE_DIR"
		limit_memory 2048
		"${in_lane[@]}" "$BPFAHEAD" calibrate "$MNT" >"$T/calibrated" 2>&1 &
		pids=($!)
		if wait $!; then
			rm -rf "$work/state.$profile.$BUILD_HASH"
			cp -a "$BPFAHEAD_STATE_DIR" "$work/state.$profile.$BUILD_HASH"
			cp "$T/calibrated" "$work/calibrated.$profile.$BUILD_HASH"
		else
			say "calibrate: $(tail -1 "$T/calibrated")"
			exec {calibrating}>&-
			return 1
		fi
	fi
	exec {calibrating}>&-
}

# run_cell COLUMN REPEAT: of the workload in $line; adds it to the file of cells.
run_cell() {
	local column=$1 repeat=$2 kb=$1 warm seconds status
	read -r warm seconds < <(times "$profile" "${line%% *}" "$column")
	[[ $column =~ ^[0-9]+$ ]] || kb=$default_kb
	set_kb "$default_kb"
	# Mounted anew for it, and once more afterwards.
	if [[ $column == bpfahead* ]] && [ ! -s "$work/calibrated.$profile.$BUILD_HASH" ]; then
		fresh
		calibrate || return
	fi
	limit_memory "$(memory_of "$line")"
	fresh
	if [[ $column == bpfahead* ]]; then
		start_own "$column" || return
	else
		set_kb "$kb"
	fi
	run_program "$line" "$warm" "$seconds"
	status=$?
	[[ $column != bpfahead* ]] || stop_own "$profile.${line%% *}.$column.$repeat"
	[ $status = 0 ] || return
	if [[ $column == bpfahead* ]] && in_turns "$profile"; then
		[ -n "$WARM_FIGURES" ] || return
		printf '%s\n' "$(cell_key "$profile" "$line" "$column.lag" "$repeat" 0 "$warm")$WARM_FIGURES,$(date -u +%FT%TZ)" \
			>>"$cells"
	fi
	add_cell "$(cell_key "$profile" "$line" "$column" "$repeat")"
}

add_cell() { # KEY
	local cell
	cell=$1$FIGURES,$(date -u +%FT%TZ)
	printf '%s\n' "$cell" >>"$cells"
	# How well the slow disk kept to its times since the last cell.
	[ ! -f "$T/disk/stats" ] ||
		echo "$(cut -d , -f 3,5,7 <<<"$cell") $(tr '\n' ' ' <"$T/disk/stats")" >>"$work/logs/$profile.disk"
	say "$(cut -d , -f 3,5,7,10,11,12,14,17 <<<"$cell") ($(wc -l <"$queue") left)"
}

# A day in phases, each a program of its own, under one bpfahead or none: a line per phase, and in the logs
# what the device was asked for.
run_day() { # COLUMN REPEAT
	local n=0 phase line before requests=$work/logs/$profile.day.$1.$2.requests
	line=$(day_lines)
	set_kb "$default_kb"
	fresh
	if [[ $1 == bpfahead* ]]; then
		calibrate || return
		start_own "$1" || return
	fi
	: >"$requests"
	while IFS= read -r phase; do
		n=$((n + 1))
		limit_memory "$(memory_of "$phase")"
		before=$(device_requests)
		run_program "$phase" 0 "$day_s" || break
		echo "$n ${phase%% *}: $(requests_between "$before" "$(device_requests)")" >>"$requests"
		add_cell "$(day_key "$profile" $n "$phase" "$1" "$2")"
	done < <(day_lines)
	[[ $1 != bpfahead* ]] || stop_own "$profile.day.$1.$2"
}
device_requests() { awk '{ print $1, $3 }' "/sys/block/$NAME/stat"; } # reads completed, sectors

# How long a change of pattern takes to arrive at a file that stays open, as its struct file says.
run_react() { # COLUMN
	local id reader n=0 change came kb words
	limit_memory 96
	set_kb "$default_kb"
	fresh
	calibrate || return
	limit_memory 96
	start_own "$1" || return
	id=$(status_json | jq -r --arg n "$BDI" '.devices[] | select(.bdi == $n) | .bdi_id')
	read -ra words <<<"${react//$'\n'/ }"
	"${in_lane[@]}" "$TOP/build/tests/patterns" "$MNT/big" "$react_s" "${words[@]}" \
		>"$T/phases" 2>"$T/said" </dev/null &
	PROGRAM_PID=$!
	reader=$PROGRAM_PID
	: >"$T/values"
	while kill -0 "$reader" 2>/dev/null; do
		id=${id:-$(status_json | jq -r --arg n "$BDI" '.devices[] | select(.bdi == $n) | .bdi_id')}
		[ -z "$id" ] || "$TOP/build/tests/open_files" "$BPFAHEAD_PIN_DIR" "$id" 2>/dev/null |
			awk -v pid="$reader" -v now="$EPOCHREALTIME" '$1 == pid { print now, $3; exit }' >>"$T/values"
		nap 0.05
	done
	stop_program
	stop_own "$profile.react.$1"
	cp "$T/phases" "$work/logs/$profile.react.$1.phases"
	cp "$T/values" "$work/logs/$profile.react.$1.values"
	while read -r change came kb; do
		n=$((n + 1))
		FIGURES=$came,s,-,-,-,-,-,$kb
		add_cell "$(react_key "$profile" "$1" "$change")"
	done < <(changes_of "$T/phases" "$T/values")
	[ $n -gt 1 ]
}

device_beyond() { [ "$(device_read)" -gt "$1" ]; }

next_cell() { # from the queue into NEXT
	exec {lock}>"$queue.lock"
	flock "$lock"
	IFS= read -r NEXT <"$queue" && sed -i 1d "$queue"
	local status=$?
	exec {lock}>&-
	return $status
}

# Not in the middle of a row's turns.
if in_turns "$profile" && grep -q '^bpfahead' "$queue" && [ ! -s "$work/calibrated.$profile.$BUILD_HASH" ]; then
	line=
	set_kb "$default_kb"
	fresh
	calibrate || say 'not calibrated before the first row'
fi

fails=0
while next_cell; do
	read -r column repeat line <<<"$NEXT"
	case $line in
	day) run_day "$column" "$repeat" ;;
	react) run_react "$column" ;;
	*) run_cell "$column" "$repeat" ;;
	esac || {
		say "${line%% *} $column: no cell"
		fails=$((fails + 1))
		[ $fails -lt 20 ] || die 'too many cells failed'
	}
done
wait_for 10 unmounted
set_kb "$original_kb"
