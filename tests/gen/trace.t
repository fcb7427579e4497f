#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Windows out of stored traces: small ones whose windows and features are worked out by hand, the
# same requests in three formats, and bad input.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

T=$(mktemp -d)
cd "$T" || exit 1

# Ten sequential reads of 128 KB beyond 4 GB, one 3 GB away, a write, one that continues the first
# ten, and one more that ends the second hop.
awk 'BEGIN {
	start = 5368709120
	for (i = 0; i < 10; i++)
		printf "%.9f,7:0,%.0f,131072,Read\n", 100 + 0.05 * i, start + 131072 * i
	print "100.5,7:0,8591245312,131072,read"
	print "100.6,7:0,4096,4096,Write"
	print "100.7,7:0,5370019840,4096,R"
	print "101.000000000,7:0,0,4096,r"
}' >hand.csv

# First window: 10 reads in 0.5 s, 9 continue the first. Iops 20, 1310720 bytes in one run.
# Second: 12 reads and a write in 1 s. Distances 3 GB and 3 GB + 128 KB, 6291456 + 6291712 sectors,
# / 12 = 1048597, x 512. Jumps 2 / 12. 1445888 bytes / 12. 10 of 12 continue: 2 runs. 12 / 13 reads.
# The second hop has 2 reads: too few to tell, so it reaches back to the first.
cat >hand.want <<'EOF'
window,100500000000,500000000,10,0,none,0,0,0,131072,65536,20,58982,1310720,0,65536,2621440
hop,100500000000,500000000,10,0,none,0,0,0,131072,65536,20,58982,1310720,0,65536,2621440
window,101000000000,1000000000,12,0,none,0,536881664,10922,120490,54614,12,54613,722944,0,60494,1445888
hop,101000000000,1000000000,12,0,none,0,536881664,10922,120490,54614,12,54613,722944,0,60494,1445888
EOF
ok 'a CSV trace' "$BPFAHEAD_GEN" trace --format csv hand.csv -o hand.out >summary
is "$(head -n 1 hand.out)" "label,device,part,time_ns,span_ns,calls,ra_kb,class,margin,$(
	)avg_distance_bytes,jump_ratio,avg_io_bytes,seq_ratio,iops,stream_ratio,run_bytes,$(
	)rahead_ratio,read_ratio,bytes_per_s" 'the columns of bpfahead record'
is "$(sed 1d hand.out | cut -d, -f3-)" "$(<hand.want)" 'windows and features are those worked out'
is "$(<summary)" "13 reads and 1 writes of 1 devices
7:0: 2 windows" 'the summary'
awk -F, 'BEGIN { print "operation,extra,size,offset,device,time" }
	{ print $5 ",x," $4 "," $3 "," $2 "," $1 }' hand.csv >named.csv
ok 'another order of columns' "$BPFAHEAD_GEN" trace --format csv named.csv -o named.out >/dev/null
ok 'gives the same' cmp hand.out named.out
gzip -c hand.csv >hand.csv.gz
ok 'gzipped' "$BPFAHEAD_GEN" trace --format csv hand.csv.gz -o gz.out >/dev/null
ok 'gives the same too' cmp hand.out gz.out
is "$("$BPFAHEAD_GEN" trace --format csv - <hand.csv 2>err)" "$(<hand.out)" 'from and to a pipe'
is "$(<err)" "$(<summary)" 'with the summary on standard error'

# --- MSR Cambridge ---------------------------------------------------------------------------

awk -F, '{ printf "%.0f,web,%d,%s,%s,%s,5000\n", 128166372000000000 + ($1 - 100) * 10000000, 3,
	$5 ~ /^[Rr]/ ? "Read" : "Write", $3, $4 }' hand.csv >msr.csv
ok 'the MSR preset' "$BPFAHEAD_GEN" trace --format msr msr.csv -o msr.out >/dev/null
is "$(sed 1d msr.out | cut -d, -f2 | sort -u)" web.3 'device: host and disk'
is "$(sed 1d msr.out | cut -d, -f4 | sort -nu | xargs)" '1500000000 2000000000' \
	'times count from 1 s before the first'
is "$(sed 1d msr.out | cut -d, -f5-)" "$(cut -d, -f3- hand.want)" 'the same features'

# --- blkparse --------------------------------------------------------------------------------

# The same requests; three are readahead, which is the share that changes: 3/10 and 3/12.
{
	awk -F, '{
		rwbs = $5 ~ /^[Rr]/ ? NR <= 3 ? "RA" : "R" : "WS"
		line = sprintf("%%s %15.9f  4321  %%s %3s %.0f + %d [fio]\n", $1, rwbs, $3 / 512, $4 / 512)
		number = 10 * NR
		printf line, "  7,0    1 " number, "Q"
		printf line, "  7,0    1 " number + 1, "G"
		printf line, "  7,0    0 " number + 2, "C"
	}' hand.csv
	echo '  7,0    1      200   101.1     4321  Q   D 2048 + 2048 [fstrim]'
	echo '  7,0    0        0   101.2        0  m   N cfq workload slice'
	printf '%s\n' 'CPU0 (7,0):' ' Reads Queued:          13,     1,572KiB' '' \
		'Total (7,0):' ' Reads Queued:          13,     1,572KiB' '' \
		'Events (7,0): 44 entries' 'Skips: 0 forward (0 -   0.0%)'
} >hand.blkparse
ok 'blkparse' "$BPFAHEAD_GEN" trace --format blkparse hand.blkparse -o blkparse.out >summary
is "$(sed 1d blkparse.out | cut -d, -f2-)" \
	"$(sed '1,2s/^/7:0,/; 3,4s/^/7:0,/; 1,2s/,0,65536,2621440$/,19660,65536,2621440/
		3,4s/,0,60494,1445888$/,16384,60494,1445888/' hand.want)" \
	'only what was queued counts; RA is readahead'
like "$(<summary)" '13 reads and 1 writes of 1 devices, 1 other requests left out' 'a discard is neither'

# two_streams CPU-OF-THE-SECOND: two sequential readers 10 GB apart, taking turns
two_streams() {
	awk -v other="$1" 'BEGIN {
		for (i = 0; i < 40; i++)
			printf "8,16 %d %d %.9f 1 Q R %.0f + 8 [x]\n", i % 2 ? other : 0, i,
				i * 0.015625, 1000000 + (i % 2) * 20971520 + 8 * int(i / 2)
	}'
}
# 32 reads in the first half second. One CPU: all but the first jump, all but two continue.
two_streams 0 >one.blkparse
two_streams 1 >two.blkparse
is "$("$BPFAHEAD_GEN" trace --format blkparse one.blkparse 2>/dev/null | sed -n 2p | cut -d, -f6,11,15)" \
	32,63488,61440 'two streams on one CPU: jumps, and yet runs'
is "$("$BPFAHEAD_GEN" trace --format blkparse two.blkparse 2>/dev/null | sed -n 2p | cut -d, -f6,11,15)" \
	32,0,61440 'on a CPU each: no jump'

# --- hops ------------------------------------------------------------------------------------

# windows FILE: time, span and calls of each window
windows() {
	"$BPFAHEAD_GEN" trace --format csv "$1" 2>/dev/null | grep ',window,' | cut -d, -f4-6 | xargs
}
# Twenty reads a second: a window grows to 2.5 s and then slides by 0.5 s.
seq 0 80 | awk '{ printf "%.2f,d,%d,4096,r\n", $1 * 0.05, $1 * 4096 }' >steady.csv
is "$(windows steady.csv)" "500000000,500000000,10 1000000000,1000000000,20 $(
	)1500000000,1500000000,30 2000000000,2000000000,40 2500000000,2500000000,50 $(
	)3000000000,2500000000,50 3500000000,2500000000,50 4000000000,2500000000,50" 'a sliding window'
# One read a second: a hop lasts until it has two.
seq 0 5 | awk '{ printf "%d,d,%d,4096,r\n", $1, $1 * 4096 }' >slow.csv
is "$(windows slow.csv)" '2000000000,2000000000,2 4000000000,4000000000,4' 'a slow device'
# After 6 s of silence what came before is thrown away.
{
	seq 0 10 | awk '{ printf "%.2f,d,%d,4096,r\n", $1 * 0.05, $1 * 4096 }'
	seq 0 10 | awk '{ printf "%.2f,d,%d,4096,r\n", 7 + $1 * 0.05, $1 * 4096 }'
} >idle.csv
is "$(windows idle.csv)" '500000000,500000000,10 7500000000,500000000,10' 'an idle spell'
{
	sed -n '1,5p' steady.csv
	sed -n '6,7p' steady.csv | tac
	sed -n '8,$p' steady.csv
} >late.csv
"$BPFAHEAD_GEN" trace --format csv late.csv >/dev/null 2>err
like "$(<err)" '1 requests out of order' 'slight disorder is counted'

# --- memory ------------------------------------------------------------------------------------

seq 200000 | awk '{ printf "%.3f,d,%d,4096,r\n", $1 * 0.001, $1 * 4096 }' >long.csv
# shellcheck disable=SC2002 # from a pipe, which cannot be mapped or sought
long_trace() (
	ulimit -v 40000
	cat long.csv | "$BPFAHEAD_GEN" trace --format csv - >"$1" 2>err
)
ok '200,000 requests in the memory of a few' long_trace long.out
is "$(grep -c ,window, long.out)" 399 'and every window of them'

# --- classes -----------------------------------------------------------------------------------

# Two patterns, three runs of each, as labelled traces; a model of block features learns them.
for run in 1 2 3; do
	awk -v seed=$run 'BEGIN { srand(seed)
		for (i = 0; i < 600; i++)
			printf "%.3f,d,%.0f,131072,r\n", i * 0.01, 1048576 + i * 131072 }' >seq.$run.csv
	awk -v seed=$run 'BEGIN { srand(seed)
		for (i = 0; i < 600; i++)
			printf "%.3f,d,%.0f,4096,r\n", i * 0.01, 4096 * int(rand() * 10000000) }' >rnd.$run.csv
	ok "windows of run $run" "$BPFAHEAD_GEN" trace --format csv --label sequential seq.$run.csv \
		-o s$run.csv >/dev/null
	"$BPFAHEAD_GEN" trace --format csv --label random rnd.$run.csv -o r$run.csv >/dev/null
done
ok 'they train a model' "$BPFAHEAD_GEN" train s?.csv r?.csv -o block.bin \
	--features 'jump_ratio,stream_ratio,run_bytes' >/dev/null
cat seq.1.csv <(sed 's/,d,/,e,/' rnd.1.csv) | sort -t, -sg >both.csv
"$BPFAHEAD_GEN" trace --format csv both.csv --model block.bin -o both.out >summary
is "$(sed 1d summary)" 'd: 11 windows, sequential 11
e: 11 windows, random 11' 'which classifies a trace, device by device'
is "$(grep ',window,' both.out | cut -d, -f2,8 | sort -u | xargs)" 'd,sequential e,random' \
	'and so says the output'
head -n 4 slow.csv >few.csv
like "$("$BPFAHEAD_GEN" trace --format csv few.csv --model block.bin -o few.out)" \
	'1 windows, too few reads 1' 'too few reads: it abstains'

# --- bad input ---------------------------------------------------------------------------------

cp hand.out before.out
# refuses NAME REGEX FORMAT FILE [ARGUMENT...]
refuses() {
	local name=$1 regex=$2
	shift 2
	"$BPFAHEAD_GEN" trace -o hand.out --format "$@" >out 2>err </dev/null
	is $? 1 "$name: exit status"
	is "$(wc -l <err)" 1 "$name: one line"
	like "$(<err)" "^bpfahead-gen: $regex" "$name: says where and why"
}
edited() { sed "$2" hand.csv >"$1"; }

edited time.csv '3s/^[^,]*/noon/'
refuses 'a time that is none' 'time.csv:3: time is "noon"' csv time.csv
edited minus.csv '3s/,5[0-9]*,/,-5,/'
refuses 'a negative offset' 'minus.csv:3: offset is "-5"' csv minus.csv
edited huge.csv '3s/,5[0-9]*,/,9223372036854775808,/'
refuses 'an offset beyond 63 bits' 'huge.csv:3: offset is' csv huge.csv
edited size.csv '3s/,131072,/,4294967296,/'
refuses 'a size beyond 32 bits' 'size.csv:3: size is "4294967296"' csv size.csv
edited operation.csv '4s/Read/Trim/'
refuses 'an unknown operation' 'operation.csv:4: operation is "Trim"' csv operation.csv
edited fields.csv '5s/,[^,]*$//'
refuses 'a missing field' 'fields.csv:5: 4 fields, the first line has 5' csv fields.csv
edited sorted.csv '9s/^[^,]*/98.9/'
refuses 'an unsorted trace' 'sorted.csv:9: time runs back by 1.450 s' csv sorted.csv
sed '1s/offset/where/' named.csv >column.csv
refuses 'a missing column' 'column.csv:1: no column offset' csv column.csv
refuses 'another format' 'hand.csv:1: 5 fields' msr hand.csv
refuses 'CSV as blkparse' 'hand.csv:1: major,minor is' blkparse hand.csv
sed '2s/^128[0-9]*/yesterday/' msr.csv >msrtime.csv
refuses 'a bad MSR time' 'msrtime.csv:2: Timestamp is "yesterday"' msr msrtime.csv
sed '2s/^128166372/128166370/' msr.csv >msrback.csv
refuses 'an MSR time before the first' 'msrback.csv:2: more than 1 s before' msr msrback.csv
grep -v ' Q ' hand.blkparse >noq.blkparse
refuses 'no queued request' 'noq.blkparse: no read or write was queued' blkparse noq.blkparse
sed '4s/ + / - /' hand.blkparse >plus.blkparse
refuses 'a read without sectors' 'plus.blkparse:4: a read without' blkparse plus.blkparse
sed '4s/ RA / XX /' hand.blkparse >rwbs.blkparse
refuses 'an unknown operation of blkparse' 'rwbs.blkparse:4: RWBS is "XX"' blkparse rwbs.blkparse
: >empty.csv
refuses 'an empty file' 'empty.csv: no read or write' csv empty.csv
refuses 'no such file' 'absent.csv: No such file' csv absent.csv
head -c 100 hand.csv.gz >cut.csv.gz
refuses 'a truncated gzip file' 'cut.csv.gz: damaged or truncated' csv cut.csv.gz
seq 0 256 | awk '{ print "1,d" $1 ",0,4096,r" }' >devices.csv
refuses 'too many devices' 'devices.csv:257: more than 256 devices' csv devices.csv
refuses 'a model of other features' '.*default.bin: needs readahead: a block trace has only block' \
	csv hand.csv --model "$TOP/weights/default.bin"
refuses 'a model that is none' 'hand.csv: ' csv hand.csv --model hand.csv
is "$(cksum <hand.out)" "$(cksum <before.out)" 'after all that the earlier output is as it was'
"$BPFAHEAD_GEN" trace --format csv hand.csv -o absent/out.csv 2>err
is $? 1 'no such output directory: exit status'
like "$(<err)" 'absent/out.csv: No such file' 'and says so'
"$BPFAHEAD_GEN" trace --format csv steady.csv >/dev/full 2>err
is $? 1 'a full standard output: exit status'
"$BPFAHEAD_GEN" trace --format csv long.csv >/dev/full 2>err
is $? 1 'a disk that fills up on the way: exit status'
is "$(<err)" 'bpfahead-gen: standard output: No space left on device' 'says so, once'
is "$(find . -name 'hand.out.*')" '' 'no temporary files are left'
for arguments in '' 'hand.csv' '--format csv' '--format tsv hand.csv' \
	'--format csv hand.csv named.csv' '--format csv hand.csv --label chaotic'; do
	read -r -a words <<<"$arguments"
	"$BPFAHEAD_GEN" trace "${words[@]}" >/dev/null 2>&1
	is $? 2 "usage error: trace $arguments"
done
like "$("$BPFAHEAD_GEN" trace --help)" '^Usage: bpfahead-gen trace' '--help'

done_testing
