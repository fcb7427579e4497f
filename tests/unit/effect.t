#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The tables of the proof, from planted cells: geomeans and bars as computed by hand, and what is
# missing said; and only cells that are not there are run.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
cd "$TOP" || exit 1
T=$(mktemp -d) || die mktemp
[ -n "$(echo build/*.bpf.o)" ] || die 'not built'

cat >"$T/workloads" <<'TABLE'
# comment
one sequential fio 96 filename=big rw=read bs=4k
two pages fio 96 filename=big rw=randread bs=4k
three sequential fio 96 filename=big rw=read bs=1m
TABLE
export EFFECT_WORKLOADS=$T/workloads EFFECT_CELLS=$T/cells.csv EFFECT_DOC=$T/effect.md QUICK=1 REPEATS=1
# shellcheck source=tests/effect/common.sh
. tests/effect/common.sh
BUILD_HASH=$(build_hash)

# plant PROFILE WORKLOAD COLUMN RATE [REPEAT]
plant() {
	local line
	line=$(WORKLOADS=$2 workload_lines)
	echo "$(cell_key "$1" "$line" "$3" "${5:-1}")$4,MB/s,10,20,1.00,-,-,128,2026-01-01T00:00:00Z" >>"$cells"
}
# row PROFILE WORKLOAD RATE...: of default again 16 64 128 256 1024 4096
row() {
	local column profile=$1 name=$2
	shift 2
	for column in default again 16 64 128 256 1024 4096; do
		plant "$profile" "$name" "$column" "$1"
		shift
	done
}
tables() {
	printf '<!-- begin -->\n<!-- end -->\n' >"$T/effect.md"
	tests/effect/tables.sh >"$T/said" 2>&1 || die "tables: $(cat "$T/said")"
}
# bar REGEX: the line of the bars that begins so.
bar() { grep -E "^\| $1" "$T/effect.md" | head -1; }

echo "$cells_head" >"$cells"
row cloud one 100 100 50 80 100 90 90 40
row cloud two 10 10 80 40 20 10 10 5
plant cloud one bpfahead 100
plant cloud two bpfahead 40
tables
# Shares: 1.0 and 0.5; of 128 KB 1.0 and 0.25; of 16 KB 0.5 and 1.0, the best single value.
like "$(bar 'geomean of throughput / best static per workload, cloud, bpfahead \|')" \
	'0\.707 of 2 rows \(128 KB 0\.500, best single static 0\.707: 16 KB\) \| >= 0\.96 \| \*\*not met\*\*, rows missing' \
	'geomean, beside 128 KB and the best single value; a missed bar, and rows that are missing'
like "$(grep '^| three ' "$T/effect.md")" '\| missing \| missing \|' 'a workload that was not run is missing, not left out'
like "$(grep '^| two ' "$T/effect.md")" '\*\*80\.0 \(1\.00\)\*\*.*\| 40\.0 \(0\.50\) \| missing \|$' 'rates, shares, and the best in bold'
like "$(bar 'worst workload against host.s default, cloud, bpfahead \|')" 'one 1\.000 \(A/A 1\.000\) .* met \|' 'no worse than the default'
like "$(bar 'geomean of throughput / best static per workload, cloud, bpfahead, probing')" \
	'missing .* not measured' 'a column that is not there has no verdict'
like "$(cat "$T/effect.md")" 'All 3 workloads are missing: .make bench-effect PROFILE=hdd' 'a profile that was not measured'
ok 'a picture of the profile' test -s "$T/effect-cloud.svg"

# A loss counts beyond the pair of the default with itself; a met bar is met.
sed -i '/,two,.*,\(again\|bpfahead\),/d' "$cells"
plant cloud two again 8
plant cloud two bpfahead 78
plant cloud one bpfahead 85 2
plant cloud one bpfahead 95 3
row cloud three 10 10 10 10 10 10 10 10
plant cloud three bpfahead 10
tables
like "$(bar 'worst workload against host.s default, cloud, bpfahead \|')" \
	'one 0\.950 \(A/A 1\.000\); below: one 0\.95 \(A/A 1\.00\) .*not met' 'the median of the repeats counts, and a loss is named'
like "$(bar 'geomean of throughput / best static per workload, cloud, bpfahead \|')" \
	'0\.975 of 3 rows .* \| met \|' 'a bar that is met'

like "$(cat "$T/effect.md")" 'Repeats of the bpfahead columns: 1 in 2 cells, 3 in 1 cells; half the distance of least and greatest: median 7\.9 %' \
	'how often it was measured, and how far apart'

# What begins with a hot set in memory is shown, and counts nowhere.
echo 'hot pages fio 96+20 filename=big rw=randread bs=4k' >>"$T/workloads"
row cloud hot 10 10 100 10 10 10 10 10
plant cloud hot bpfahead 50
tables
like "$(grep '^| hot ' "$T/effect.md")" '\| 50\.0 \(0\.50\) \| missing' 'a row with a hot set in memory has its table'
like "$(bar 'geomean of throughput / best static per workload, cloud, bpfahead \|')" '0\.975 of 3 rows ' '... and is not among the others'
sed -i '/,hot,/d' "$cells"
sed -i '/^hot /d' "$T/workloads"

# How long a change of pattern takes: a value that never moves is not a fast one.
printf '%s\n' '10 sequential' '18 mmap-random' '26 runs-256k' '34 sequential' '42 end' >"$T/phases"
printf '%s\n' '11 2560' '17 2560' '19 2560' '20.5 64' '25 64' '28 2560' '33 2560' '35 2560' >"$T/values"
is "$(changes_of "$T/phases" "$T/values" | paste -sd ,)" '0 - 2560,1 2.500 64,2 2.000 2560,3 - 2560' \
	'the seconds of each change, - where the value is the one from before, and the value'
sed -i '/^\(28\|33\) /d' "$T/values"
is "$(changes_of "$T/phases" "$T/values" | paste -sd ,)" '0 - 2560,1 2.500 64,3 1.000 2560' \
	'... and a phase of which none was seen does not move the others'
# reacts [CHANGE]: plants a reaction in which each pattern has its value of kb_of, and from that change on
# the one that there is; a pattern of none keeps what it finds.
declare -A kb_of
reacts() {
	local n=0 pattern kb before=2560 seconds
	sed -i '/,react,/d' "$cells"
	for pattern in $react; do
		kb=${kb_of[$pattern]:-$before} seconds=-
		((n < ${1-99})) || kb=$before
		[ $n = 0 ] || [ "$kb" = "$before" ] || seconds=2.$((n + 10))
		echo "$(react_key cloud bpfahead $n)$seconds,s,-,-,-,-,-,$kb,2026-01-01T00:00:00Z"
		before=$kb n=$((n + 1))
	done >>"$cells"
	tables
}
reaction() { bar 'change of pattern to the new value on the open file, p95, cloud, bpfahead \|'; }
kb_of=([sequential]=2560 [mmap-random]=64 [runs-256k]=1024 [runs-64k]=512)
reacts
like "$(reaction)" '2\.29 s, median 2\.2[01] s, of 20 changes; 0 changes .* of the value \| <= 4 s \| met \|' 'a value for each pattern'
kb_of[runs-256k]=2560
reacts
like "$(reaction)" 'of 16 changes; 4 changes of pattern without one of the value, where both have the same \|.* met \|' \
	'two patterns of one value need no new one'
reacts 0
like "$(reaction)" '\| no new value in 20 changes of pattern \| <= 4 s \| \*\*not met' 'a value that never moves'
reacts 2
like "$(reaction)" 'of 1 changes; .*never arrived.*: .* of sequential \(ends at 64 or 2560 KB\).*\*\*not met' '... or once, and never again'
reacts 10
like "$(reaction)" 'of 7 changes; .*never arrived.*of mmap-random \(ends at 64 or 2560 KB\).*\*\*not met' '... or not after a while'
kb_of[runs-256k]=
reacts
like "$(reaction)" 'never arrived.*: 4 of runs-256k \(ends at 64 or 2560 KB\).*\*\*not met' 'a pattern that gets no value of its own'
kb_of[runs-256k]=2560 kb_of[runs-64k]=
reacts
like "$(reaction)" 'never arrived.*: 2 of runs-64k \(ends at 64 or 2560 KB\).*\*\*not met' '... whichever it is'
kb_of[runs-64k]=512 kb_of[runs-256k]=1024
reacts
sed -i 's/,2\.30,\(.*\),2560,/,-,\1,64,/' "$cells"
tables
like "$(reaction)" '2\.29 s, .* of 19 changes; .*never arrived.*: 1 of sequential \(ends at 64 or 2560 KB\) \| <= 4 s \| met \|' \
	'one of twenty is beyond the 95th of a hundred'
sed -i 's/,2\.29,\(.*\),64,/,-,\1,2560,/' "$cells"
tables
like "$(reaction)" 'none, .* of 18 changes; .*never arrived.*1 of mmap-random.*1 of sequential.*\*\*not met' '... and two of them are not'
kb_of[runs-256k]=2560
reacts
sed -i '/,react,.*,bpfahead,[^,]*,20,/d' "$cells"
tables
like "$(reaction)" '\| met, rows missing \|' 'a change that was not seen is missing'
reacts
sed -i 's/\(,react,.*,\)2560,/\1-,/; s/\(,react,.*,\)\(64\|512\),/\1-,/' "$cells"
tables
like "$(reaction)" '4 changes of pattern without one of the value, and the values are not known \| <= 4 s \| met \|' \
	'cells from before the value was written down say that it is not known'
reacts 0
sed -i 's/\(,react,.*,\)2560,/\1-,/' "$cells"
tables
like "$(reaction)" 'no new value in 2. changes of pattern, and the values are not known .* not measured' '... and nothing at all where none came'
sed -i '/,react,/d' "$cells"

is "$(requests_between '10 80' '14 1104'), $(requests_between '14 1104' '14 1104')" '4 reads, 128.0 KB each, 0 reads, - KB each' \
	'how large the reads of the device were'

# The day without bpfahead is run where it is asked for, once.
list() { tests/effect/run.sh --list | grep -c "$@"; }
export PROFILE=cloud
is "$(COLUMNS_WANTED='default bpfahead' WORKLOADS=day list .)" 2 'the day with and without bpfahead, where both are named'
is "$(WORKLOADS=day list default)$(COLUMNS_WANTED=default WORKLOADS='' list day)" 00 '... and not otherwise'
echo "$(table=$effect/workloads day_key cloud 5 "$(table=$effect/workloads day_lines | tail -n 1)" default 1)1" >>"$cells"
is "$(EFFECT_WORKLOADS=$effect/workloads COLUMNS_WANTED=default WORKLOADS=day list .)" 0 '... and not again, whatever the build'
sed -i '$d' "$cells"

# The day shift, phase by phase, beside the default in the same order; its programs are rows of their own.
echo 'four small-files fio 96 filename=big rw=read bs=16k' >>"$T/workloads"
row cloud four 10 10 10 10 20 10 10 10
day='one two three four one'
# plant_day COLUMN REPEAT RATE...: of the five phases.
plant_day() {
	local column=$1 repeat=$2 n=0 name
	shift 2
	for name in $day; do
		n=$((n + 1))
		[ "$1" = - ] ||
			echo "$(day_key cloud $n "$(WORKLOADS=$name workload_lines)" "$column" "$repeat")$1,MB/s,10,20,1.00,-,-,128,2026-01-01T00:00:00Z"
		shift
	done >>"$cells"
}
plant_day bpfahead 1 100 40 10 20 50
plant_day bpfahead 2 100 60 10 20 70
plant_day bpfahead 3 100 72 10 20 90
tables
phase() { grep -E "^\| $1 \| $2 \|" "$T/effect.md"; }
is "$(phase 5 one)" "| 5 | one | 100 (128 KB) | missing | 70.0 (0.70) | missing |" 'a phase of the day, and no default that was not measured'
is "$(phase 2 two)" '| 2 | two | 80.0 (16 KB) | missing | 60.0 (0.75) | missing |' 'the median of the repeats, and its share of the best value'
like "$(grep -F '| bpfahead | 4.' "$T/effect.md")" '4\.450 ' 'their sum'
plant_day default 1 100 10 10 20 75
plant_day bpfahead-probe 1 100 78 10 20 80
tables
is "$(phase 5 one)" "| 5 | one | 100 (128 KB) | 75.0 (0.75) | 70.0 (0.70) | 80.0 (0.80) |" 'the default in the same order'
like "$(grep -F "| host's default | 3." "$T/effect.md")" '3\.625 ' '... is not that of the sum'
like "$(bar 'worst workload against host.s default, cloud, bpfahead \|')" 'one 0\.950' '... nor of the rows'
sed -i '/,\(day[.]\|four,\)/d' "$cells"
sed -i '/^four /d' "$T/workloads"

# Another command, kernel or build is another cell.
export COLUMNS_WANTED='default again 16 64 128 256 1024 4096 bpfahead'
is "$(WORKLOADS='one two three' list .)" 0 'cells that are there are not run again'
is "$(WORKLOADS='one two three' REPEATS=2 CONTENDER=0 list .)" 26 'those of another repeat are'
# Of one 16 and 4096 KB are far below the best, of two all but 16 and the two that are compared with.
is "$(WORKLOADS='one two' REPEATS=2 list -E '^cloud (16|64|256|1024|4096) 2')" 4 'values that are far from the best are not repeated'
is "$(WORKLOADS='one two three' QUICK=0 list .)" 27 'and those of other times'
sed -i 's/^one .*/& thinktime=1/' "$T/workloads"
is "$(WORKLOADS='one two three' list ' one ')" 9 'and those of a command that has changed'
is "$(WORKLOADS='one two three' list ' two ')" 0 '... and no others'
tables
like "$(grep '^| one ' "$T/effect.md")" 'missing .* missing' 'cells of a command that has changed are not in the tables'
like "$(cat "$T/effect.md")" '11 lines of the file of cells are of other kernels or commands' 'which say how many'
sed -i 's/,two,\([^,]*\),bpfahead,[^,]*/,two,\1,bpfahead,0123456789/' "$cells"
is "$(WORKLOADS='two' list bpfahead)" 1 'cells of another build are run again'
is "$(WORKLOADS='three' list .)" 0 '... and no others'
sed -i 's/^[^,]*\(,cloud,three,.*,default,\)/0.0.0-other\1/' "$cells"
is "$(WORKLOADS='three' tests/effect/run.sh --list)" 'cloud default 1 three sequential fio 96 filename=big rw=read bs=1m' \
	'and those of another kernel'
tables
like "$(grep '^| three ' "$T/effect.md")" '\| missing \| 10\.0 ' '... which are not in the tables'
like "$(cat "$T/effect.md")" '12 lines of the file of cells are of other kernels or commands' '... but counted'
# What comes after the version says who built it: of those the cells count, and it is said.
sed -i "s/^0.0.0-other,\(.*\)/${kernel_release%%-*}-other,\1/" "$cells"
is "$(WORKLOADS='three' list .)" 0 'another build of the same kernel is no other kernel'
tables
like "$(grep '^| three ' "$T/effect.md")" '\| 10\.0 ' '... in the tables neither'
like "$(cat "$T/effect.md")" "build .*${kernel_release%%-*}-other \\(1 cells\\)" '... which say so'
sed -i "s/^${kernel_release%%-*}-other,/${kernel_release%%-*}0,/" "$cells"
is "$(WORKLOADS='three' list .)" 1 'a version that begins alike is one'
sed -i "s/^${kernel_release%%-*}0,/$kernel_release,/" "$cells"
is "$(grep -laF "$TOP/" build/*.bpf.o)" '' 'and the objects, by which a build is known, are the same in any directory'

# In turns: the rounds of a row, each with every column once, in an order of its own.
export PROFILE=fast ROUNDS=2 TURN_SECONDS=4
echo "$cells_head" >"$cells"
turns=$(WORKLOADS='one two' tests/effect/run.sh --list)
is "$(awk '{ print $4, $3, $2 }' <<<"$turns" | sort -u | wc -l)" 36 'in turns: two rows of two rounds of nine columns'
is "$(awk '{ print $4, $3 }' <<<"$turns" | uniq | paste -sd ,)" 'one 1,one 2,two 1,two 2' '... row by row, round by round'
order() { awk -v row="$1" -v round="$2" '$4 == row && $3 == round { print $2 }' <<<"$turns" | paste -sd ' '; }
ok '... in another order each' test "$(order one 1)" != "$(order one 2)"
is "$(WORKLOADS='one two' tests/effect/run.sh --list)" "$turns" '... and the same order when asked again'

turn_s=4 turn_warm_s=1 lag_s=3
# round NUMBER WORKLOAD RATE...: of the eight static columns, bpfahead's first three seconds and the rest.
round() {
	local number=$1 name=$2 column line
	shift 2
	line=$(WORKLOADS=$name workload_lines)
	for column in default again 16 64 128 256 1024 4096 bpfahead.lag bpfahead; do
		case $column in
		*.lag) echo "$(cell_key fast "$line" $column "$number" 0 3)$1,MB/s,10,20,1.00,-,-,128,2026-01-02T00:00:00Z" ;;
		*) echo "$(cell_key fast "$line" $column "$number")$1,MB/s,10,20,1.00,-,-,128,2026-01-02T00:00:01Z" ;;
		esac
		shift
	done >>"$cells"
}
TURNS=0 row fast one 900 900 900 900 900 900 900 900
TURNS=0 plant fast one bpfahead 900 # cells from before, which are longer
sed -i "s/,bpfahead,$BUILD_HASH,/,bpfahead,0123456789,/" "$cells"
round 1 one 100 100 50 80 120 80 80 80 40 100
round 2 one 55 50 25 40 50 40 40 40 20 50
tables
# Medians: default 77.5, 128 KB 85; bpfahead's (3 * 40 + 57 * 100) / 60 = 97 and 48.5, so 72.75.
like "$(grep '^| one ' "$T/effect.md")" '\| 77\.5 \(0\.91\) \| 75\.0 \(0\.88\) .*\*\*85\.0 \(1\.00\)\*\*.*\| 72\.8 \(0\.86\)' \
	'medians of the rounds, the warm-up of bpfahead as the first of 60 s, and no cells of another time'
like "$(cat "$T/effect.md")" '1\+4 in 8 cells' 'the seconds of a turn'
# The same by another way: each round over the geomean of its seven static cells; 128 KB is best in round 1,
# the default in round 2.
luck=$(grep '^What of it is luck' "$T/effect.md")
want=$(perl -e 'my @r = ([100, 50, 80, 120, 80, 80, 80, 100, 97], [55, 25, 40, 50, 40, 40, 40, 50, 48.5]);
	for (@r) { my $p = 1; $p *= $_ for @$_[0 .. 6]; $p **= 1 / 7; $_ /= $p for @$_ }
	my ($default, $best, $again, $own) = map { ($r[0][$_] + $r[1][$_]) / 2 } 0, 3, 7, 8;
	my $chosen = ($r[0][0] + $r[1][3]) / 2;
	printf "%.3f .default again. %.3f.* %.3f, and bpfahead %.3f; of that value bpfahead has %.3f",
		map({ $_ / $best } $default, $again, $chosen, $own), $own / $chosen')
like "$luck" "in 1 rows.* has ${want/ /,\ }" 'what of the best value is luck: another round chooses it'
round 3 one 900 900 900 900 900 900 900 900 900 900
sed -i '/,one,.*,4096,.*,3,1,4,/d' "$cells"
tables
like "$(grep '^| one ' "$T/effect.md")" '\| 77\.5 .*\| 72\.8 \(0\.86\)' 'a round in which a column is missing is not compared'
is "$(WORKLOADS=one ROUNDS=3 TURN_WARM_SECONDS=1 list .)" 1 '... and that cell alone is run'
sed -i '/,one,.*,bpfahead.lag,.*,2,0,3,/d' "$cells"
tables
like "$(grep '^| one ' "$T/effect.md")" '\| 100 (\(0.83\)) .*\| 97\.0 \(0\.81\)' 'nor one without the warm-up of bpfahead'
is "$(grep -c '^What of it is luck' "$T/effect.md")" 0 'of one round nothing is said of luck'
sed -i "s/,$BUILD_HASH,/,0123456789,/" "$cells"
is "$(WORKLOADS=one TURN_WARM_SECONDS=1 list .)" 18 'beside another build the static columns have their turns again'

# What slows BPF programs down for as long as it is on; no cells, should it not stop.
touch "$T/lane.1.img"
refused() { echo "$1" >"$T/stats" && EFFECT_DIR=$T BPF_STATS_ENABLED=$T/stats PROFILE=cloud WORKLOADS=none tests/effect/run.sh 2>&1; }
like "$(refused 1)" 'bpf_stats_enabled is not 0' 'nothing is measured while the kernel counts the time of BPF programs'
is "$(refused 0 | grep -c bpf_stats)" 0 '... and only then'

echo other >"$T/others"
like "$(EFFECT_CELLS=$T/others tests/effect/run.sh --list 2>&1)" 'has other columns' 'a file of other columns is refused'
done_testing
