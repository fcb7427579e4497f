#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The published classic table: read as docs/training.md says, its flaws named from the data alone,
# and the bars of its comparison held. The project does not ship the table: BPFAHEAD_CONSOLIDATED
# says where it is.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

T=$(mktemp -d)
table=${BPFAHEAD_CONSOLIDATED:-$TOP/../shared/data/consolidated_dataset.csv}
case $table in /*) ;; *) table=$PWD/$table ;; esac
cd "$T" || exit 1

HEAD=run_id,timestamp_start,timestamp_end,trace_block_rq_issue,trace_avg_sector_distance
HEAD+=,trace_sector_jump_ratio,bw_mean_kbps,iops_mean,depth,label

# --- a table made up, with every flaw a row can have -------------------------------------------

cat >made.csv <<EOF
$HEAD
s1,0.0,2.5,100,10.5,0.25,8000,100,1,sequential
s1,2.5,5.0,100,20,0.125,9000,100,1,sequential
s2,0.0,2.5,100,8589934592,0.5,9500,100,1,sequential
r1,0.0,2.5,100,5000,1,400,100,2,random
r1,2.5,5.0,100,6000,0.75,500,50,2,random
r2,0.0,2.5,9,7000,0.8125,600,100,2,random
r2,2.5,5.0,100,7000,0.8125,nan,100,2,random
r2,5.0,7.5,100,7000,-0.5,600,100,2,random
r2,5.0,7.5,100,7000,1.5,600,100,2,random
r2,7.5,7.5,100,7000,0.5,600,100,2,random
r2,7.5,9.0,100,7000,0.5,600,0,2,random
r2,7.5,9.0,7,7000,0.5,600,100,2,random
r2,7.5,9.0,100,7000,0.5,600,100,2,chaotic
r2,7.5,9.0,100,7000,0.5,600,100,2
,7.5,9.0,100,7000,0.5,600,100,2,random
r2,7.5,9.0,100,1e18,0.5,600,100,2,random
EOF
ok 'reads a table' "$BPFAHEAD_GEN" dataset --format consolidated made.csv -o out.csv >report
is "$(sed -n 2p out.csv)" \
	sequential,s1,window,2500000000,2500000000,100,0,5376,16384,81920,49152,100 \
	'distance x 512, jump in Q16, bandwidth / iops in bytes, 1 - jump, iops'
is "$(sed -n 4p out.csv | cut -d, -f8)" 4398046511104 'a distance beyond 32 bits'
is "$(sed -n 6p out.csv | cut -d, -f10,12)" 10240,50 'the size follows iops'
is "$(wc -l <out.csv)" 7 'six valid rows'
like "$(<report)" '16 rows of 10 columns, 10 of them dropped' 'counts what was dropped'
for reason in 'dropped: 3 rows with an input that is not a finite number of 0 or more.* line 8' \
	'1 rows with a jump ratio above 1, the first in line 10' \
	'1 rows with a window that ends before it begins, the first in line 11' \
	'1 rows with an iops_mean of 0.* line 12' '1 rows with fewer requests .* line 13' \
	'1 rows with unknown label.* line 14' '1 rows with another number of fields.* line 15' \
	'1 rows with no run, the first in line 16' \
	'redundant column: timestamp_end = 1 x timestamp_start . 2.5' \
	'gives the label away: depth has one value per class' \
	'redundant column: seq_ratio = -1 x jump_ratio . 65536' \
	'sequential 3 .50.0 %. random 3 .50.0 %.'; do
	like "$(<report)" "$reason" "says: $reason"
done
is "$(grep -c 'constant column' report)" 0 'calls nothing constant that is not'

# refuses NAME REGEX FILE: one line, exit status 1, and the output stays as it was
refuses() {
	cp out.csv before.csv
	"$BPFAHEAD_GEN" dataset --format consolidated "$3" -o out.csv >/dev/null 2>err
	is $? 1 "$1: exit status"
	is "$(wc -l <err)" 1 "$1: one line"
	like "$(<err)" "^bpfahead-gen: $2" "$1: says why"
	ok "$1: earlier output unharmed" cmp -s out.csv before.csv
}
sed '1s/iops_mean/iops/' made.csv >column.csv
refuses 'a missing column' 'column.csv:1: no column iops_mean' column.csv
sed '1s/depth/iops_mean/' made.csv >twice.csv
refuses 'a column twice' 'twice.csv:1: column iops_mean appears twice' twice.csv
: >empty.csv
refuses 'an empty file' 'empty.csv: empty file' empty.csv
sed -n '1p;8,$p' made.csv >invalid.csv
refuses 'no valid row' 'invalid.csv: no valid row' invalid.csv
refuses 'no such file' 'absent.csv: No such file' absent.csv
"$BPFAHEAD_GEN" dataset --format nonsense made.csv >/dev/null 2>&1
is $? 2 'an unknown format is a usage error'
for arguments in '--split half' '--split run --by run' '--split run --folds 3' '--repeats 3' \
	'--split run --repeats 0'; do
	read -r -a words <<<"$arguments"
	"$BPFAHEAD_GEN" crossval out.csv "${words[@]}" >/dev/null 2>&1
	is $? 2 "usage error: crossval $arguments"
done
sed '/,s2,/d' out.csv >single.csv
"$BPFAHEAD_GEN" crossval single.csv --split run --features jump_ratio >/dev/null 2>err
is $? 1 'one run of a class cannot be held out: exit status'
like "$(<err)" 'class sequential has a single run' 'and says which class'

# --- the table itself --------------------------------------------------------------------------

# at_least NAME BAR FILE: the mean in the first line of crossval
at_least() {
	local mean
	mean=$(sed -n 's/.*: mean \([0-9.]*\) %.*/\1/p' "$3")
	ok "$1: mean ${mean:-none} % is at least $2 %" awk -v m="${mean:-0}" -v b="$2" \
		'BEGIN { exit !(m >= b) }'
}

if [ -r "$table" ]; then
	ok 'reads the dataset of record' "$BPFAHEAD_GEN" dataset --format consolidated "$table" \
		-o record.csv >report
	like "$(<report)" '864 windows of 18 runs: sequential 288 .* random 288 .* mixed 288' \
		'864 windows of 18 runs'
	like "$(<report)" 'constant column: iops_mean is 1 in every row' 'names the constant column'
	like "$(<report)" 'redundant column: seq_ratio = -1 x jump_ratio' 'names the redundant column'
	recipe=(--features 'avg_distance_bytes,jump_ratio,avg_io_bytes,seq_ratio,iops'
		--epochs 400 --validation 0 --dropout 0 --linear)
	ok '20 random draws' "$BPFAHEAD_GEN" crossval record.csv --split random "${recipe[@]}" >random.txt
	ok '20 draws by run' "$BPFAHEAD_GEN" crossval record.csv --split run "${recipe[@]}" >run.txt
	at_least 'random stratified 80/20' 99.3 random.txt
	at_least 'one run of each class held out' 99.5 run.txt
	ok 'the same again' "$BPFAHEAD_GEN" crossval record.csv --split run --repeats 20 \
		--seed 1 "${recipe[@]}" >again.txt
	ok 'the same draws, the same figures' cmp run.txt again.txt
else
	skip 'the dataset of record' 'not here; BPFAHEAD_CONSOLIDATED=FILE says where it is'
fi

done_testing
