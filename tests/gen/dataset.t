#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Recording directories, splits that are written down, families, and what errors cost: with a made-up
# recording of which the right figures are known.
# shellcheck source=tests/gen/lib.sh
. "$(dirname "$0")/lib.sh"

HEAD=label,device,part,time_ns,span_ns,calls,ra_kb,class,margin,async_share,around_share
HEAD+=,run_windows_q8,head_share,avg_req_pages_q8,mark_ratio,fill_ratio,avg_window_pages_q8
HEAD+=,run_pages_q8,used_ratio,jump_share
META=time,run,workload,family,label,pattern,mode,block_size,depth,jobs,profile,ra_kb,cpus,free_kb
META+=,windows,events,kernel,app_bytes_per_s,app_iops,device_bytes_per_s

# windows LABEL LIKE KB SEED: twenty windows with that label that look like those of class LIKE
windows() {
	echo $HEAD
	awk -v label="$1" -v like="$2" -v kb="$3" -v seed="$4" 'BEGIN {
		srand(seed)
		for (i = 0; i < 20; i++) {
			noise = int(rand() * 2000)
			async = like == "sequential" ? 65536 - noise : like == "random" ? noise : \
				30000 + 5 * noise
			window = like == "random" ? 0 : 256 * (8 + int(rand() * 100))
			printf "%s,7:0,%s,%d000000000,2500000000,100,%d,none,0,%d,0,%d,0,%d,%d,%d,%d,%d,65536,%d\n",
				label, i % 2 ? "hop" : "window", 10 + i, kb, async,
				256 * 65536 / (65537 - async), 256 + noise, async,
				like == "random" ? 0 : 40000 + noise, window, \
				like == "random" ? 256 : 8 * window, 65536 - async
		}
	}'
}

# run DIR PROFILE WORKLOAD FAMILY LABEL LIKE KB MB/S [REPEAT]
run() {
	local name=$2.$3.$7${9:+.$9}
	windows "$5" "$6" "$7" "$RANDOM" >"$1/$name.csv"
	echo "2026-01-01T00:00:00Z,$name,$3,$4,$5,$5,buffered,4096,1,1,$2,$7,2,1000,10,0,6.1,${8}000000,1,1" \
		>>"$1/metadata.csv"
}

# workload DIR WORKLOAD FAMILY LABEL LIKE MB/S-AT-16 -AT-128 -AT-1024, on two profiles
workload() {
	local profile
	for profile in fast slow; do
		run "$1" $profile "$2" "$3" "$4" "$5" 16 "$6"
		run "$1" $profile "$2" "$3" "$4" "$5" 128 "$7"
		run "$1" $profile "$2" "$3" "$4" "$5" 1024 "$8"
	done
}

RANDOM=1
mkdir rec more
echo $META >rec/metadata.csv
workload rec seqa streams sequential sequential 10 50 100
workload rec seqb streams sequential sequential 10 50 100
workload rec randa points random random 100 50 25
workload rec randb points random random 100 50 25
workload rec scana scans mixed mixed 50 100 50
workload rec scanb scans mixed mixed 50 100 50

# --- a recording directory ---------------------------------------------------------------------

ok 'dataset DIR' "$BPFAHEAD_GEN" dataset rec -o all.csv.gz --metadata-out meta.csv.gz >out 2>err
like "$(<out)" '^720 windows of 36 runs: sequential 240 \(33.3 %\) random 240' 'all of its runs'
like "$(<out)" 'weight of a window in training: sequential 1.000 random 1.000 mixed 1.000' \
	'and how windows will weigh'
is "$(<err)" '' 'nothing dropped'
ok 'the metadata can be carried away' cmp <(zcat meta.csv.gz) rec/metadata.csv
cp rec/metadata.csv kept.csv
run rec fast seqa streams sequential sequential 16 10 2
cp rec/fast.seqa.128.csv rec/fast.half.128.csv
rm rec/slow.randb.16.csv
head -1 rec/fast.seqb.16.csv >rec/fast.seqb.1024.csv
"$BPFAHEAD_GEN" dataset rec -o some.csv --metadata-out some-meta.csv >out 2>err
is $? 0 'dataset of a directory with flaws'
like "$(<out)" '^700 windows of 35 runs' 'takes a run with a repeat, and leaves out two'
like "$(<err)" '1 runs dropped: no line in metadata.csv: not finished \(the first: fast.half.128' \
	'a file without metadata is dropped, and named'
like "$(<err)" '1 runs dropped: a line in metadata.csv and no CSV file \(the first: slow.randb.16\)' \
	'metadata without a file are dropped, and named'
like "$(<err)" '1 runs dropped: not one window \(the first: fast.seqb.1024\)' \
	'an empty run is dropped, and named'
is "$(wc -l <some-meta.csv)" 36 'and none of them is in the metadata that are carried away'
cp kept.csv rec/metadata.csv
rm rec/*.16.2.csv rec/fast.half.128.csv
windows sequential sequential 1024 1 >rec/fast.seqb.1024.csv
windows random random 16 2 >rec/slow.randb.16.csv
ok 'dataset of the repaired directory' "$BPFAHEAD_GEN" dataset rec -o all.csv.gz >/dev/null

sed '4s/,100,128,/,7,128,/; 5s/^sequential/none/; 6s/^sequential//; 7s/,128,none,0,[0-9]*,/,128,none,0,nan,/
	8s/,128,none,0,[0-9]*,/,128,none,0,65537,/' rec/fast.seqa.128.csv >flaws.csv
"$BPFAHEAD_GEN" dataset flaws.csv -o some.csv >out 2>err
is $? 0 'dataset of a file with invalid rows'
like "$(<out)" '^15 windows of 1 runs' 'keeps the others'
like "$(<err)" '1 windows dropped: fewer than 8 readahead calls \(the first: flaws.csv:4\)' 'too few calls'
like "$(<err)" '2 windows dropped: no label \(the first: flaws.csv:5\)' 'no label'
like "$(<err)" '1 windows dropped: a value that is not a whole number of 0 or more \(the first: flaws.csv:7\)' 'NaN'
like "$(<err)" '1 windows dropped: a value out of range \(the first: flaws.csv:8\)' 'out of range'
refuses 'training is not that patient' 'flaws.csv:5: no label' train flaws.csv -o x.bin

head -1 rec/fast.seqa.128.csv >header.csv
"$BPFAHEAD_GEN" dataset header.csv rec/fast.seqa.128.csv -o some.csv >out 2>err
is $? 0 'dataset of files of which one has no rows'
like "$(<err)" '1 runs dropped: not one window \(the first: header.csv\)' 'names it'
refuses 'training wants rows' 'header.csv: a header and no rows' train header.csv rec/*.16.csv -o x.bin

before=$(cksum <all.csv.gz)
mkdir empty
refuses 'an empty directory' 'empty/metadata.csv: No such file' dataset empty -o all.csv.gz
: >empty/metadata.csv
refuses 'empty metadata' 'empty/metadata.csv: empty file' dataset empty -o all.csv.gz
echo $META >empty/metadata.csv
refuses 'metadata without runs' 'empty/metadata.csv: a header and no runs' dataset empty -o all.csv.gz
# spoilt SED-SCRIPT: the directory `more` with spoilt metadata
spoilt() {
	cp rec/*.csv more
	sed "$1" rec/metadata.csv >more/metadata.csv
}
spoilt '1s/,family,/,familie,/'
refuses 'metadata without a column' 'more/metadata.csv:1: no column family' dataset more -o all.csv.gz
spoilt '3s/,sequential,/,chaotic,/'
refuses 'metadata with an unknown label' 'more/metadata.csv:3: unknown label "chaotic"' dataset more -o all.csv.gz
spoilt '2s/,sequential,/,random,/'
refuses 'another label than that of the windows' 'more: windows of run fast.seqa.16 are labelled sequential' \
	dataset more -o all.csv.gz
spoilt '4s/,[^,]*$//'
refuses 'metadata with a field missing' 'more/metadata.csv:4: 19 fields, the header has 20' dataset more -o all.csv.gz
spoilt '5s/,10000000,/,fast,/'
refuses 'a throughput that is no number' 'more/metadata.csv:5: app_bytes_per_s is "fast"' dataset more -o all.csv.gz
spoilt '6s/,slow,/,fast,/'
refuses 'a name that is not that of its profile' 'more/metadata.csv:6: run slow.seqa.128, but profile is fast' \
	dataset more -o all.csv.gz
spoilt '7s/,streams,/,rivers,/'
refuses 'a workload of two families' 'more/metadata.csv: workload seqa is of two families' dataset more -o all.csv.gz
spoilt ''
refuses 'the same run in two directories' 'more/metadata.csv:2: run fast.seqa.16 is in an earlier file' \
	dataset rec more -o all.csv.gz
sed '9s/^sequential/chaotic/' rec/fast.seqa.128.csv >more/fast.seqa.128.csv
refuses 'the same file twice' 'rec/fast.seqa.16.csv: run fast.seqa.16 is in an earlier file, too' \
	dataset rec rec/fast.seqa.16.csv -o all.csv.gz
refuses 'an unknown label' 'more/fast.seqa.128.csv:9: unknown label "chaotic"' dataset more -o all.csv.gz
refuses 'no metadata to carry' 'no recording directory' dataset all.csv.gz --metadata-out x.csv
"$BPFAHEAD_GEN" dataset header.csv -o all.csv.gz >out 2>err
is $? 1 'nothing but a header: exit status'
like "$(tail -1 err)" '^bpfahead-gen: no window has 8 readahead calls or more' 'says so'
is "$(cksum <all.csv.gz)" "$before" 'after all that the earlier dataset is as it was'

# --- a split that is written down ---------------------------------------------------------------

ok 'a split' "$BPFAHEAD_GEN" dataset all.csv.gz --split-out split.csv --seed 7 >/dev/null
is "$(head -1 split.csv)" 'run,label,profile,part' 'has a header'
is "$(tail -n +2 split.csv | wc -l)" 36 'and every run'
is "$(awk -F, 'NR > 1 { n[$2 " " $4]++ } END { for (k in n) print k, n[k] }' split.csv | sort)" \
	"$(for label in mixed random sequential; do
		printf '%s test 2\n%s train 8\n%s validation 2\n' $label $label $label
	done)" 'every class gives its share'
is "$(awk -F, '$4 == "test" { n[$2 " " $3]++ } END { for (k in n) print k, n[k] }' split.csv | sort)" \
	"$(printf '%s 1\n' 'mixed fast' 'mixed slow' 'random fast' 'random slow' 'sequential fast' 'sequential slow')" \
	'from each device profile alike'
ok 'the same again' "$BPFAHEAD_GEN" dataset rec --split-out again.csv --seed 7 >/dev/null
ok 'the same seed, the same bytes, whatever the order of the runs' cmp split.csv again.csv
ok 'another seed' "$BPFAHEAD_GEN" dataset all.csv.gz --split-out other.csv --seed 8 >/dev/null
ok 'another split' [ "$(cksum <split.csv)" != "$(cksum <other.csv)" ]
ok 'a profile held out' "$BPFAHEAD_GEN" dataset all.csv.gz --split-out held.csv --hold-profile slow >/dev/null
is "$(awk -F, '$4 == "test" { print $3 }' held.csv | sort | uniq -c | xargs)" '18 slow' 'is all that tests'
echo old >before.csv
refuses 'an unknown profile' 'no run of profile odd' dataset all.csv.gz -o before.csv --split-out x.csv \
	--hold-profile odd
is "$(<before.csv) $(ls x.csv 2>&1)" "old ls: cannot access 'x.csv': No such file or directory" 'and nothing is written'
# Rounded, test and validation would take all: 5 and 4 of 9, 2 and 1 of 3, 1 and 1 of 2.
for n in 12 3 2 1; do
	sequential=(rec/*.seq?.*.csv) random=(rec/*.rand?.*.csv)
	"$BPFAHEAD_GEN" dataset "${sequential[@]:0:n}" "${random[@]:0:n}" --split-out few.csv --test 0.55 --validation 0.44 >/dev/null
	is "$(awk -F, 'NR > 1 { n[$2]++; t[$2] += $4 == "train"; v[$2] += $4 == "validation" } END {
		for (k in n) if (!t[k] || (n[k] >= 3 && !v[k])) print k, n[k], t[k], v[k] }' few.csv)" '' \
		"each class of $n runs keeps one to train on, and one to validate if it can"
done
# Names without fields, as in the classic table, have no profile: seeds still make different splits.
zcat all.csv.gz | tr . _ >plain.csv
for seed in 1 2; do
	"$BPFAHEAD_GEN" dataset plain.csv --split-out plain.$seed.csv --seed $seed >/dev/null
done
is "$(cat plain.?.csv | awk -F, '$3 != "" && $3 != "profile"')" '' 'runs without a profile'
ok 'each seed another split' [ "$(cksum <plain.1.csv)" != "$(cksum <plain.2.csv)" ]
# A run all of whose windows are dropped is none.
sed 's/,100,128,/,7,128,/' rec/fast.seqa.128.csv >few.none.csv
like "$("$BPFAHEAD_GEN" dataset few.none.csv rec/fast.seqb.128.csv rec/fast.randa.128.csv -o some.csv 2>err)" \
	'^40 windows of 2 runs' 'a run without a window with enough calls is not counted'
is "$("$BPFAHEAD_GEN" crossval few.none.csv rec/*.16.csv rec/*.128.csv --by workload --json 2>err | jq '.groups | length')" 6 \
	'nor held out'

ok 'train --split' "$BPFAHEAD_GEN" train all.csv.gz --split split.csv -o m.bin --keep-float >out
like "$(<out)" 'training part: 480 windows' 'trains on the training part'
like "$(<out)" 'validation part: 120 windows' 'validates on the validation part'
for part in train:480 validation:120 test:120; do
	is "$("$BPFAHEAD_GEN" eval m.bin all.csv.gz --split split.csv --part ${part%:*} --json | jq .windows)" \
		${part#*:} "eval --part ${part%:*}"
done
is "$("$BPFAHEAD_GEN" eval m.bin all.csv.gz --split split.csv --json | jq .windows)" 120 'eval takes the test part by itself'
# Other windows in the test runs, everything else as it was: not one byte may change.
mkdir alien
cp rec/*.csv alien
awk -F, '$4 == "test" { print $1, $2 }' split.csv | while read -r name label; do
	windows "$label" sequential 128 99 >"alien/$name.csv"
done
ok 'train with other test runs' "$BPFAHEAD_GEN" train alien --split split.csv -o alien.bin --name m >/dev/null
ok 'trainer and quantiser look at no test row' cmp m.bin alien.bin

before=$(cksum <m.bin)
train=(train all.csv.gz -o m.bin --split)
sed '3d' split.csv >bad.csv
refuses 'a run that the split lacks' 'bad.csv: run [^ ]* of the data is not in it' "${train[@]}" bad.csv
sed '3s/^fast/new/' split.csv >bad.csv
refuses 'a run that the data lack' 'bad.csv:3: the data have no run new' "${train[@]}" bad.csv
sed '3s/,[a-z]*$/,exam/' split.csv >bad.csv
refuses 'an unknown part' 'bad.csv:3: part is "exam"' "${train[@]}" bad.csv
sed '2s/,[a-z]*,/,objects,/' split.csv >bad.csv
refuses 'another label' 'bad.csv:2: run [^ ]* is [a-z]* in the data' "${train[@]}" bad.csv
sed '4p' split.csv >bad.csv
refuses 'a run named twice' 'bad.csv:5: run [^ ]* appears twice' "${train[@]}" bad.csv
sed 1d split.csv >bad.csv
refuses 'a split without header' 'bad.csv:1: not the header' "${train[@]}" bad.csv
: >bad.csv
refuses 'an empty split' 'bad.csv: empty file' "${train[@]}" bad.csv
refuses 'no split' 'absent.csv: No such file' "${train[@]}" absent.csv
is "$(cksum <m.bin)" "$before" 'after all that the earlier model is as it was'

# --- families ------------------------------------------------------------------------------------

# Two more workloads: their windows are those of another class than they say.
cp -r rec odd
workload odd liar lies random sequential 100 50 25
workload odd rand64k lies objects sequential 100 50 25
ok 'by family' "$BPFAHEAD_GEN" crossval odd --by family --cost >family.txt
like "$(<family.txt)" '4 groups by family, 4 parts held out in turn' 'four families'
like "$(<family.txt)" '  lies +several +240 windows +0.00 % +0.00 % +under 90 %' 'the odd one is flagged'
ok 'two at once' "$BPFAHEAD_GEN" crossval odd --by family --cost --jobs 2 >jobs.txt
ok 'with the same results' cmp family.txt jobs.txt
ok 'metadata of their own file' "$BPFAHEAD_GEN" crossval odd/*.*.*.csv --metadata odd/metadata.csv --by family --cost >file.txt
ok 'same figures' cmp <(grep lies family.txt) <(grep lies file.txt)
refuses 'families without metadata' 'families and costs stand in the metadata' crossval all.csv.gz --by family
refuses 'a workload that the metadata lack' 'run [a-z]*.liar.[0-9]*: the metadata do not know its workload' \
	crossval odd/*.*.*.csv --metadata rec --by family
"$BPFAHEAD_GEN" crossval odd --by workload --json --cost >out.json
is "$(jq '.groups | length' out.json)" 8 'by workload, as JSON'
is "$(jq -c '[.groups[] | select(.name == "rand64k") | .label, .windows]' out.json)" '["objects",120]' 'each group'

# --- what errors cost ----------------------------------------------------------------------------

# By hand: sequential is best at 1024 (the others of its workloads' settings give 0.1 and 0.5), random
# at 16 (0.5, 0.25), mixed at 128 (0.5). All held-out answers are right.
"$BPFAHEAD_GEN" crossval rec --by run --cost --json >out.json
is "$(jq '.held_out.accuracy == 1' out.json)" true 'a recording without errors'
is "$(jq -c '.cost.fast.class_kb' out.json)" '{"sequential":1024,"random":16,"mixed":128}' 'the best value of each class'
is "$(jq '.cost.slow | .predicted == 1 and .true == 1' out.json)" true 'costs nothing'
is "$(jq '.cost.fast | [.workloads, .windows, .single_kb]' -c out.json)" '[6,360,128]' 'the best single value is 128 KB'
is "$(jq '.cost.fast.single * 1000 | round' out.json)" 630 'which gives 0.5 ^ (4/6) of the best'
# shipped: sequential at least 256 (nearest in the sweep: 128), random 16, mixed 64 (nearest: 128)
is "$(jq '.cost.fast.shipped * 1000 | round' out.json)" 794 'the shipped policy: 0.5 ^ (2/6)'
like "$("$BPFAHEAD_GEN" crossval rec --cost)" '  slow +6 +360 +1.000 +1.000 +0.630 \( 128\) +0.794 +0.630' 'as text'
"$BPFAHEAD_GEN" crossval odd --by family --cost --json >out.json
is "$(jq '.cost.fast.true' out.json)" 1 'true classes lose nothing'
ok 'errors cost' [ "$(jq '.cost.fast.predicted < 0.75' out.json)" = true ]
grep -v '\.128,' rec/metadata.csv >few.csv
like "$("$BPFAHEAD_GEN" crossval all.csv.gz --metadata few.csv --cost)" '  slow +6 +360 [^-]* -[[:space:]]+fast: ' \
	'no figure for a setting that was not measured'
sed 's/,buffered,/,direct,/' rec/metadata.csv >direct.csv
refuses 'nothing measured through the page cache' 'the metadata have no throughput' \
	crossval all.csv.gz --metadata direct.csv --cost

# --- outputs that are no plain file ---------------------------------------------------------------

# What cannot be replaced is written to; a link stays one.
ln -s /dev/full full
refuses 'a full device' 'full: No space left on device' dataset rec -o full
refuses 'a model on a full device' 'full: No space left on device' train rec -o full --epochs 1
refuses 'a curve on a full device' 'full: No space left on device' \
	train rec -o x.bin --epochs 1 --curve full
refuses 'a directory as output' 'rec: Is a directory' dataset rec -o rec
ok 'the device is still there' [ -c full ]
mkfifo pipe
cksum <pipe >piped &
ok 'a pipe as output' "$BPFAHEAD_GEN" dataset rec -o pipe >/dev/null
wait $!
"$BPFAHEAD_GEN" dataset rec -o plain.csv >/dev/null
is "$(<piped)" "$(cksum <plain.csv)" 'takes all of it'
mkdir elsewhere
echo old >elsewhere/old.csv
ln -s elsewhere/old.csv link.csv
ok 'a link as output' "$BPFAHEAD_GEN" dataset rec -o link.csv >/dev/null
ok 'is one afterwards, to the new file' cmp "$(readlink link.csv)" plain.csv

# --- usage ---------------------------------------------------------------------------------------

for arguments in 'dataset all.csv.gz' 'dataset' 'dataset all.csv.gz -o x.csv --seed 3' \
	'dataset all.csv.gz --split-out x.csv --test 1' 'dataset all.csv.gz --split-out x.csv --test 0.6 --validation 0.5' \
	'eval m.bin all.csv.gz --part test' 'eval m.bin all.csv.gz --split split.csv --part exam' \
	'train all.csv.gz --split split.csv --validation 0.3 -o x.bin' 'eval m.bin' 'info m.bin m.bin' \
	'crossval all.csv.gz --by nonsense' 'crossval all.csv.gz --jobs 0' 'crossval all.csv.gz --split run --cost'; do
	read -r -a words <<<"$arguments"
	"$BPFAHEAD_GEN" "${words[@]}" >out 2>err
	is $? 2 "usage error: $arguments"
	like "$(head -1 err)" '^bpfahead-gen [a-z]*: [^ ]+ ' "which is named: $arguments"
done
"$BPFAHEAD_GEN" train all.csv.gz -o '' >out 2>err
is "$? $(<err)" '2 bpfahead-gen: argument 4 is empty' 'an empty argument is a usage error'
"$BPFAHEAD_GEN" train all.csv.gz -o x.bin --name $'a\nb' >out 2>err
is $? 2 'a name that no model may have is a usage error'
ok 'a file name that no model may have' "$BPFAHEAD_GEN" train all.csv.gz -o modèle.bin --epochs 1 >out
is "$("$BPFAHEAD_GEN" info modèle.bin | sed -n 's/^name: //p')" 'mod__le' 'becomes one that it may'
is "$(find . -name 'full.??????' -o -name 'rec.??????' -o -name '*.csv.??????' -o -name '*.gz.??????' -o -name '*.bin.??????')" '' \
	'no temporary files are left'

done_testing
