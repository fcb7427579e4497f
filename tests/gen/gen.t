#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# bpfahead-gen as a person meets it: good data gives a model, bad input one clear line, a non-zero
# exit, and what was there before stays as it was.
# shellcheck source=tests/gen/lib.sh
. "$(dirname "$0")/lib.sh"

HEAD=label,device,part,time_ns,span_ns,calls,ra_kb,class,margin,async_share,around_share
HEAD+=,run_windows_q8,head_share,avg_req_pages_q8,mark_ratio,fill_ratio,avg_window_pages_q8
HEAD+=,run_pages_q8,used_ratio,jump_share

# make_run FILE LABEL SEED: thirty windows that differ by class and a little by seed
make_run() {
	{
		echo $HEAD
		awk -v label="$2" -v seed="$3" 'BEGIN {
			srand(seed)
			for (i = 0; i < 30; i++) {
				noise = int(rand() * 2000)
				async = label == "sequential" ? 65536 - noise : \
					label == "random" ? noise : 30000 + 5 * noise
				window = label == "random" ? 0 : 256 * (8 + int(rand() * 100))
				printf "%s,7:0,%s,%d000000000,2500000000,100,128,none,0,%d,0,%d,0,%d,%d,%d,%d,%d,65536,%d\n",
					label, i % 2 ? "hop" : "window", 10 + i, async,
					256 * 65536 / (65537 - async), 256 + noise, async,
					label == "random" ? 0 : 40000 + noise, window, \
					label == "random" ? 256 : 8 * window, 65536 - async
			}
		}'
	} >"$1"
}

for label in sequential random mixed; do
	for seed in 1 2 3; do make_run "p.$label.$seed.csv" $label $seed; done
done
good=(p.*.csv)

# edited FILE SED-SCRIPT: a good run, spoilt
edited() {
	sed "$2" p.mixed.1.csv >"$1"
}

ok 'train' "$BPFAHEAD_GEN" train "${good[@]}" -o m.bin --keep-float >out
like "$(<out)" 'validation part: 90 windows' 'train reports the validation part'
inputs=$("$BPFAHEAD_GEN" info m.bin | sed -nE 's/^shape: ([0-9]+)-32-16-3$/\1/p')
bytes=$((384 + 8 * (8 * (4 + 2 * ((inputs + 7) / 8 * 8)) + 4 * (4 + 2 * 32) + 4 + 2 * 16)))
is "$(stat -c %s m.bin)" $bytes "$inputs-32-16-3 takes $bytes bytes"
ok 'train again' "$BPFAHEAD_GEN" train "${good[@]}" -o again.bin --name m >/dev/null
ok 'the same data, options and seed give the same bytes' cmp m.bin again.bin
ok 'another seed' "$BPFAHEAD_GEN" train "${good[@]}" -o other.bin --name m --seed 2 >/dev/null
ok 'gives other weights' [ "$(cksum <m.bin)" != "$(cksum <other.bin)" ]
ok 'merge' "$BPFAHEAD_GEN" dataset "${good[@]}" -o all.csv.gz >/dev/null
ok 'train from the merged file' "$BPFAHEAD_GEN" train all.csv.gz -o merged.bin --name m >/dev/null
ok 'merging changes nothing' cmp m.bin merged.bin
like "$("$BPFAHEAD_GEN" eval m.bin all.csv.gz --float m.float.json)" 'same class as int8' \
	'eval compares with the float network'
is "$("$BPFAHEAD_GEN" eval m.bin all.csv.gz --json | jq .windows)" 270 'eval --json is JSON'
# cells FILE.svg: the counts of a confusion matrix, row by row
cells() { sed -n 's/.*<tspan>\([0-9]*\)<.*/\1/p' "$1" | xargs; }
cp m.bin 'a<b>&c.bin'
ok 'eval --svg' "$BPFAHEAD_GEN" eval 'a<b>&c.bin' all.csv.gz --json --svg m.svg >m.json
is "$(cells m.svg)" "$(jq -r '.confusion as $c | ["sequential", "random", "mixed"] as $n |
	[$n[] as $l | $n[] as $a | $c[$l][$a] // 0] | join(" ")' m.json)" \
	'the picture has the numbers of the JSON'
is "$(cells m.svg | tr ' ' '\n' | awk '{ n += $1 } END { print n, NR }')" '270 9' 'all of them'
is "$(grep -c 'a<b' m.svg)" 0 'what XML reserves is escaped'
like "$(<m.svg)" '^<svg .*>a&#60;b&#62;&#38;c.bin<.*</svg>$' 'and the document has its end'
like "$("$BPFAHEAD_GEN" info m.bin)" "shape: $inputs-32-16-3" 'info'
is "$("$BPFAHEAD_GEN" info m.bin --hex | wc -w)" 8128 'info --hex is a whole map value'
is "$("$BPFAHEAD_GEN" info m.bin --hex | cut -d ' ' -f 1-$bytes)" \
	"$(od -An -v -tx1 m.bin | tr -s ' \n' ' ' | sed 's/^ //; s/ $//')" 'info --hex begins with the file'
like "$("$BPFAHEAD_GEN" crossval all.csv.gz --folds 3)" 'held out: 270 windows' 'crossval'
ok 'another shape' "$BPFAHEAD_GEN" train "${good[@]}" -o shape.bin --hidden 8 \
	--features async_share,fill_ratio >/dev/null
like "$("$BPFAHEAD_GEN" info shape.bin)" 'shape: 2-8-3' 'has that shape'
"$BPFAHEAD_GEN" train "${good[@]}" -o merged.bin --merge mixed:random --epochs 3 >out
like "$("$BPFAHEAD_GEN" info merged.bin)" "shape: $inputs-32-16-2" 'merged classes have one output'
is "$("$BPFAHEAD_GEN" crossval all.csv.gz --folds 3 --merge mixed:random --epochs 3 --json | jq -c '.held_out.confusion | keys')" \
	'["random","sequential"]' 'and one row of the confusion matrix'

ok 'train --curve' "$BPFAHEAD_GEN" train "${good[@]}" -o 'a<b>&c.bin' --curve curve.svg --epochs 30 --patience 4 >out
ok 'the learning curve is well-formed' xmllint --noout curve.svg
is "$(grep -oE 'kept: epoch [0-9]+' curve.svg)" "$(sed -n 's/.*the best was \([0-9]*\) .*/kept: epoch \1/p' out)" \
	'and marks the best epoch'
for line in training validation; do
	is "$(grep -o "id=\"$line\".*" curve.svg | grep -o '[0-9.]*,[0-9.]*' | wc -l)" \
		"$(sed -n 's/.*; \([0-9]*\) epochs.*/\1/p' out)" "one point of the $line part for each epoch"
done
like "$(<curve.svg)" '>epoch</text>.*>cross-entropy loss|>cross-entropy loss.*>epoch</text>' 'axes are labelled'
ok 'a curve without validation' "$BPFAHEAD_GEN" train "${good[@]}" -o x.bin --curve curve.svg --epochs 3 --validation 0 >out
is "$(grep -c 'id="validation"' curve.svg) $(grep -o 'kept: epoch [0-9]*' curve.svg)" '0 kept: epoch 3' 'draws one line'
ok 'the confusion matrix is well-formed' xmllint --noout m.svg

# Margins: every window in one range, and from each margin on the rest of them.
"$BPFAHEAD_GEN" eval shape.bin all.csv.gz --json >out
is "$(jq '([.calibration[].windows] | add) == .windows' out)" true 'each window has one range of margins'
is "$(jq '.calibration[0].kept == 1 and (.calibration[0].kept_error_rate - 1 + .accuracy | fabs) < 1e-9' out)" true \
	'from 0 on there are all, and all errors'
is "$(jq '[.calibration[].kept] | . == (sort | reverse)' out)" true 'fewer from each margin on'
is "$(jq '(.calibration | [.[2:][].windows] | add) == .windows - .low_margin_windows' out)" true \
	'from 0.5 on: those that may decide'
is "$(jq -c '[.calibration[].margin]' out)" '[0,0.25,0.5,1,2,4]' 'the margins of the table'
like "$("$BPFAHEAD_GEN" eval shape.bin all.csv.gz)" '>= 0.50 +[0-9]+ windows, +[0-9.]+ % wrong +[0-9.]+ % of windows' 'as text'

# Finer classes: an answer by a class of the same classic name is right by classic names only.
for run in p.random.*.csv; do sed 's/^random/objects/' "$run" >"f.${run#p.}"; done
"$BPFAHEAD_GEN" eval m.bin f.*.csv --json >out
is "$(jq -c '[.accuracy, .classic_accuracy]' out)" '[0,1]' 'objects are random'
like "$("$BPFAHEAD_GEN" eval m.bin f.*.csv)" 'accuracy 0.00 %, by classic names 100.00 %' 'and it says both'
is "$("$BPFAHEAD_GEN" eval m.bin all.csv.gz | grep -c 'classic')" 0 'where there are only the classic three, once'

# --- bad data -------------------------------------------------------------------------------

before=$(cksum <m.bin)
train=(train "${good[@]}" -o m.bin)
edited nan.csv '5s/,128,none,0,[0-9]*,/,128,none,0,nan,/'
refuses 'NaN' 'nan.csv:5: async_share is "nan"' "${train[@]}" nan.csv
edited minus.csv '6s/,128,none,0,[0-9]*,/,128,none,0,-3,/'
refuses 'a negative number' 'minus.csv:6: async_share' "${train[@]}" minus.csv
edited label.csv '7s/^mixed/chaotic/'
refuses 'an unknown label' 'label.csv:7: unknown label "chaotic"' "${train[@]}" label.csv
edited column.csv '1s/,mark_ratio,/,mork_ratio,/'
refuses 'a missing column' 'column.csv:1: no column mark_ratio' "${train[@]}" column.csv
edited short.csv '9s/,[^,]*$//'
refuses 'a missing field' 'short.csv:9: 19 fields, the header has 20' "${train[@]}" short.csv
head -c 1500 p.mixed.1.csv >cut.csv
refuses 'a truncated file' 'cut.csv:[0-9]*: .*truncated' "${train[@]}" cut.csv
gzip -c p.mixed.1.csv | head -c 300 >cut.csv.gz
refuses 'a truncated gzip file' 'cut.csv.gz: damaged or truncated' "${train[@]}" cut.csv.gz
: >empty.csv
refuses 'an empty file' 'empty.csv: empty file' "${train[@]}" empty.csv
head -n 1 p.mixed.1.csv >head.csv
refuses 'a header without rows' 'head.csv: a header and no rows' "${train[@]}" head.csv
refuses 'one class only' 'only class random' train p.random.*.csv -o m.bin
refuses 'no such file' 'absent.csv: No such file' "${train[@]}" absent.csv
refuses 'a directory without metadata' '\./metadata.csv: No such file' train . -o m.bin
sed 's/,100,128,/,7,128,/' p.mixed.1.csv >few.csv
"$BPFAHEAD_GEN" train few.csv -o m.bin >out 2>err
is $? 1 'nothing but windows with too few calls: exit status'
like "$(<err)" '30 windows dropped: fewer than 8 readahead calls' 'says how many and why'
refuses 'binary data' 'm.bin:1: ' train m.bin -o m.bin
is "$(cksum <m.bin)" "$before" 'after all that the earlier model is as it was'

# --- bad output -------------------------------------------------------------------------------

refuses 'no such output directory' 'absent/m.bin: No such file' train "${good[@]}" -o absent/m.bin
refuses 'output is a directory' '\.: ' train "${good[@]}" -o .
before=$(cksum <m.bin)
refuses 'no such directory for a curve' 'absent/c.svg: No such file' \
	train "${good[@]}" -o m.bin --curve absent/c.svg --seed 5
is "$(cksum <m.bin)" "$before" 'and the earlier model stays'
refuses 'no such directory for a picture' 'absent/m.svg: No such file' \
	eval m.bin all.csv.gz --svg absent/m.svg
refuses 'merging into no such directory' 'absent/all.csv: No such file' \
	dataset "${good[@]}" -o absent/all.csv
"$BPFAHEAD_GEN" info m.bin >/dev/full 2>err
is $? 1 'a full standard output: exit status'
like "$(<err)" 'No space left' 'says so'

# --- bad models -------------------------------------------------------------------------------

head -c 1000 m.bin >short.bin
refuses 'a truncated model' 'short.bin: the file is truncated' eval short.bin all.csv.gz
cp m.bin flipped.bin
printf '\377' | dd of=flipped.bin bs=1 seek=900 conv=notrunc status=none
refuses 'a damaged model' 'flipped.bin: checksum' info flipped.bin
refuses 'a float network of another model' 'm.float.json: belongs to another model' \
	eval other.bin all.csv.gz --float m.float.json
refuses 'data without the inputs of the model' 'column.csv:1: no column mark_ratio' \
	eval m.bin column.csv

# --- usage ------------------------------------------------------------------------------------

for arguments in '' 'frobnicate' 'train' 'train p.mixed.1.csv' 'train -o x.bin' 'eval m.bin' \
	'dataset p.mixed.1.csv' 'info' 'train p.mixed.1.csv -o x.bin --hidden 33' \
	'train p.mixed.1.csv -o x.bin --hidden 8,8,8' 'train p.mixed.1.csv -o x.bin --seed x' \
	'train p.mixed.1.csv -o x.bin --features async_share,nonsense' \
	'train p.mixed.1.csv -o x.bin --merge mixed' 'train p.mixed.1.csv -o x.bin --merge mixed:nonsense' \
	'train p.mixed.1.csv -o x.bin --merge mixed:random,random:sequential' \
	'train p.mixed.1.csv -o x.bin --dropout 1'; do
	read -r -a words <<<"$arguments"
	"$BPFAHEAD_GEN" "${words[@]}" >out 2>err
	is $? 2 "usage error: ${arguments:-no command}"
done
for command in '' train crossval eval dataset trace info; do
	like "$("$BPFAHEAD_GEN" $command --help)" '^Usage: bpfahead-gen' "${command:-the program} --help"
done
like "$("$BPFAHEAD_GEN" --version)" '^bpfahead-gen ' '--version'
is "$(find . -name '*.bin.??????' -o -name '*.gz.??????' -o -name '*.json.??????')" '' \
	'no temporary files are left'

done_testing
