#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The capture protocol, for real but small: what it writes, that it goes on where it stopped, that
# a signal or a full disk costs no finished run and leaves nothing behind, and bad arguments.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

need fio script
export TMPDIR=$T # images and all else that is temporary
D=$T/data
capture=("$BPFAHEAD_GEN" capture --bpfahead "$BPFAHEAD" --seconds 2 --size 64)

# column NAME RUN: of metadata.csv
column() {
	awk -F, -v name="$1" -v run="$2" '
		NR == 1 { for (i = 1; i <= NF; i++) c[$i] = i }
		$c["run"] == run { print $c[name] }' "$D/metadata.csv"
}

# between LOW VALUE HIGH
between() { awk -v a="$1" -v x="$2" -v b="$3" 'BEGIN { exit !(x != "" && a <= x && x <= b) }'; }

nothing_left() { # PID
	! losetup -a | grep -F "$T/bpfahead-capture." && ! grep -F "$T/bpfahead-capture." /proc/mounts &&
		! compgen -G "$T/bpfahead-capture.*" && ! compgen -G "/sys/fs/cgroup/*capture-$1-*" &&
		! compgen -G "/sys/fs/cgroup/*/*capture-$1-*" &&
		[ ! -e "/sys/fs/bpf/bpfahead-capture-$1" ] && ! compgen -G "$D/.*.part"
}

# --- a capture of two runs, on a terminal ----------------------------------------------------

two=("${capture[@]}" --dir "$D" --device-profile cloud --settings 64 --only "rand64k,files64k")
script --quiet --return --command "${two[*]}" "$T/terminal" >/dev/null </dev/null
is $? 0 'captures two workloads'
like "$(<"$T/terminal")" '\[#{10}\.{10}\] 1 of 2  rand64k at 64 KB  [0-9]+ s left' \
	'a terminal sees a bar, the run and the time left'
like "$(head -1 "$D/metadata.csv")" \
	'^time,run,workload,family,label,pattern,mode,block_size,depth,jobs,profile,ra_kb,' \
	'metadata.csv has its head'
family=$("$BPFAHEAD_GEN" capture --list | awk '$1 == "files64k" { print $3 }')
is "$(cut -d, -f3-12 "$D/metadata.csv" | tail -n 2)" \
	"files64k,$family,small-files,sequential,buffered,4096,1,1,cloud,64
rand64k,rand-objects,objects,random,buffered,65536,1,1,cloud,64" 'and what ran'
like "$(column time cloud.rand64k.64.1)" '^20[0-9]{2}-[01][0-9]-[0-3][0-9]T[0-9:]{8}Z$' 'the time'
is "$(column kernel cloud.rand64k.64.1)" "$(uname -r)" 'the kernel'
is "$(column windows cloud.rand64k.64.1)" "$(grep -c ',window,' "$D/cloud.rand64k.64.1.csv")" \
	'windows as the file has them'
bytes=$(column app_bytes_per_s cloud.rand64k.64.1) iops=$(column app_iops cloud.rand64k.64.1)
ok 'bytes per second are reads of 64 KB' between 0.99 \
	"$(awk -v b="$bytes" -v i="$iops" 'BEGIN { print b / i / 65536 }')" 1.01
ok 'the device was held to its rate' between 1000000 \
	"$(column device_bytes_per_s cloud.rand64k.64.1)" 160000000
# shellcheck disable=SC2016 # for awk
ok 'every window is of the label, the setting and enough calls' awk -F, '
	NR == 1 { for (i = 1; i <= NF; i++) c[$i] = i; next }
	$c["label"] != "objects" || $c["ra_kb"] != 64 { exit 1 }
	$c["part"] == "window" && $c["calls"] < 8 { exit 1 }
	END { exit NR < 2 }' "$D/cloud.rand64k.64.1.csv"
ok 'the job file can be run by hand' env DIR="$T" BIG=big RUNTIME=1 INVALIDATE=1 \
	fio --parse-only "$D/jobs/rand64k.fio"

# --- going on --------------------------------------------------------------------------------

before=$(stat -c '%n %y' "$D"/*.csv)
out=$("${two[@]}" 2>&1)
is "$? $out" "0 bpfahead-gen: capture: nothing to do: all runs are in $D" 'nothing is left to do'
is "$(stat -c '%n %y' "$D"/*.csv)" "$before" 'and nothing is written'

# From here on one run is missing: a signal in its middle, then the rest.
rm "$D/cloud.files64k.64.1.csv"
kept=$(sha256sum "$D/cloud.rand64k.64.1.csv")
# A background job would ignore the signal for good.
perl -e '$SIG{INT} = "DEFAULT"; exec @ARGV' "${two[@]}" >"$T/out" 2>&1 &
pid=$!
pids+=("$pid")
if wait_for 30 test -e "/sys/fs/bpf/bpfahead-capture-$pid/progs"; then
	kill -INT "$pid"
	wait "$pid"
	is $? 130 'SIGINT in mid-run ends with status 130'
else
	result 1 "SIGINT in mid-run ends with status 130" || diag "$(<"$T/out")"
fi
ok 'and leaves nothing behind' nothing_left "$pid"
is "$(cd "$D" && ls -A)" 'cloud.rand64k.64.1.csv
jobs
metadata.csv' 'the unfinished run has no file'

# The terminal is closed while the small files are made: the whole process group hears it.
perl -e 'setpgrp; exec @ARGV' "${two[@]}" >"$T/out" 2>&1 &
pid=$!
pids+=("$pid")
small_files() { compgen -G "$T/bpfahead-capture.*/cloud/files64k" >/dev/null; }
if wait_for 30 small_files; then
	kill -HUP -- "-$pid"
	wait "$pid"
	is $? 129 'SIGHUP while devices are made ends with status 129'
else
	result 1 'SIGHUP while devices are made ends with status 129' || diag "$(<"$T/out")"
fi
ok 'and leaves nothing behind' nothing_left "$pid"
ok 'no process either' test -z "$(pgrep -f "fio .*$T/bpfahead-capture")"

ok 'what was missing is made' quietly "${two[@]}" 2>"$T/out"
is "$(grep -c windows "$T/out")" 1 'and nothing else'
is "$(sha256sum "$D/cloud.rand64k.64.1.csv")" "$kept" 'the finished run stays as it was'
is "$(cut -d, -f2 "$D/metadata.csv" | sort | tr '\n' ' ')" \
	'cloud.files64k.64.1 cloud.rand64k.64.1 run ' 'each run has one line'

# --- a full disk, and the classic protocol ---------------------------------------------------

# One run fits: its job, its windows and its line, 4 KB each; the second does not.
mkdir "$T/full"
mount -t tmpfs -o size=16k tmpfs "$T/full" || die 'tmpfs'
mounts+=("$T/full")
out=$("${capture[@]}" --seconds 1 --dir "$T/full" --device-profile hdd --set record --runs 2 \
	--only direct-random-cold 2>&1)
is $? 1 'a disk that fills up'
like "$out" 'bpfahead-gen: capture: .*No space left on device[^
]*$' 'one line says so'
is "$(cd "$T/full" && ls -A)" 'hdd.direct-random-cold.128.1.csv
jobs
metadata.csv' 'the finished run stays'
is "$(tail -n 1 "$T/full/metadata.csv" | cut -d, -f2,5-12)" \
	'hdd.direct-random-cold.128.1,random,random,direct,4096,16,2,hdd,128' 'with its line'
like "$(awk -F, '$3 == "window" { print $6 }' "$T/full/hdd.direct-random-cold.128.1.csv" | tail -1)" \
	'^[0-9]{2,}$' 'windows of O_DIRECT count block reads'
out=$(TMPDIR=$T/full "${capture[@]}" --dir "$D" --device-profile hdd --only rand4k 2>&1)
is $? 1 'no room for the image'
like "$out" 'hdd\.img: .*No space left on device[^
]*$' 'one line says so, too'

# --- raw zram --------------------------------------------------------------------------------

if [ -e /sys/class/zram-control/hot_add ]; then
	ok 'captures on raw zram' quietly "${capture[@]}" --seconds 1 --dir "$D" \
		--device-profile zram --settings 16 --only mmaprand64k 2>"$T/out"
	is "$(column mode zram.mmaprand64k.16.1)" mmap 'zram: mapped reads'
	[ -f "$D/zram.mmaprand64k.16.1.csv" ]
	result $? 'zram: has windows' || diag "$(<"$T/out")"
else
	skip 'raw zram' 'this kernel has none'
fi

# --- bad arguments ---------------------------------------------------------------------------

refuses() { # STATUS REGEX ARGUMENT...
	local want=$1 regex=$2 out
	shift 2
	out=$("$BPFAHEAD_GEN" capture "$@" 2>&1 >/dev/null </dev/null)
	is $? "$want" "refuses $*"
	like "$out" "$regex" "... and says why"
}
refuses 2 '--dir is missing' --seconds 1
refuses 2 "--device-profile is .*, not 'ssd'" --dir "$T/new" --device-profile ssd
refuses 2 "--settings wants a number .*, not '0'" --dir "$T/new" --settings '16 0'
refuses 2 "--seconds wants a number .*, not '-1'" --dir "$T/new" --seconds -1
refuses 2 "no workload is called 'nope'" --dir "$T/new" --only seq4k,nope
refuses 2 "no workload is called '@'" --dir "$T/new" --only @
refuses 2 "--settings wants a number .*, not '\*'" --dir "$T/new" --settings '*'
refuses 2 'argument 5 is empty' --dir "$T/new" --only ''
refuses 1 "$T is no program" --dir "$T/new" --bpfahead "$T"
refuses 2 "--set is record, buffered or all" --dir "$T/new" --set some
refuses 2 "only options, not 'more'" --dir "$T/new" more
refuses 1 'metadata\.csv.*: Not a directory' --dir "$D/metadata.csv/x" --only seq4k
out=$(setpriv --reuid 65534 --clear-groups "$BPFAHEAD_GEN" capture --dir "$T/new" 2>&1)
is "$? $out" '1 bpfahead-gen: capture: root is needed for loop devices, cgroups and BPF' 'wants root'
ok 'none of that made a directory' test ! -e "$T/new"
mkdir "$T/foreign"
echo run,label >"$T/foreign/metadata.csv"
refuses 1 'foreign/metadata\.csv is of another capture' --dir "$T/foreign" --only seq4k
mkdir "$T/busy"
touch "$T/busy/.run.csv.part"
exec {lock}<"$T/busy"
flock --nonblock "$lock"
refuses 1 'another capture records into ' --dir "$T/busy" --only seq4k
exec {lock}<&-
ok 'what the other one is at stays' test -e "$T/busy/.run.csv.part"
ok 'an option as often as it fits' quietly "$BPFAHEAD_GEN" capture "-$(printf '%1000s' '' | tr ' ' l)"
# The script's own table of classic names is that of the programs.
eval "$(sed -n '/^classic_name() {/,/^}/p' "$TOP/gen/capture.sh")"
while read -r class name; do
	is "$(classic_name "$class")" "$name" "$class is $name in metadata.csv"
done < <(sed -nE 's/.*X\([A-Z_]+, [0-9]+, "([^"]+)", "([^"]+)"\).*/\1 \2/p' "$TOP/bpf/abi.h")
is "$("$BPFAHEAD_GEN" capture --list | awk '$1 == "mmapscan512k" { print $2, $3 }')" \
	'long-runs mmapscan-long' '--list shows the table'

done_testing
