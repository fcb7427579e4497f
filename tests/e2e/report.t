#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# What was recorded, drawn: a made-up history as a browser has it, by its words and its picture; then
# a disk's own, while it is written and after its writer was killed.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
need fio jq dd xmllint
export TZ=UTC
state=$BPFAHEAD_STATE_DIR page=$T/page.html

report() { "$BPFAHEAD" report "$@" >"$T/out" 2>"$T/err"; }

# refused STATUS NAME REGEX ARGUMENT...: with one line, and no page.
refused() {
	local status=$1 name=$2 regex=$3 got
	shift 3
	report "$@"
	got=$?
	is "$got" "$status" "$name: exit status $status"
	like "$(cat "$T/err")" "$regex" "$name: says so"
	is "$(wc -l <"$T/err")" 1 "$name: in one line"
	ok "$name: no page" test ! -e "$page"
}

# --- what cannot be drawn --------------------------------------------------------------------

refused 1 'no history yet' "no history in $state yet: .*bpfaheadd writes it" -o "$page"
mkdir -m 700 "$state"
: >"$state/history"
refused 1 'an empty history' 'no history in .* yet' -o "$page"
head -c 8192 /dev/urandom >"$state/history"
refused 1 'another file' 'not a history of this version' -o "$page"
perl "$TOP/tests/plant-history.pl" "$state/history" || die plant-history.pl
refused 2 'no -o' '-o FILE.html is missing'
refused 2 'an argument' "takes no arguments, not 'x'" -o "$page" x
refused 2 'a period that is none' "--since wants a time .*not '1 fortnight'" -o "$page" --since '1 fortnight'
for since in 0h -1h 1 nan inf 1e300d h; do
	report -o "$page" --since="$since"
	is $? 2 "--since=$since: exit status 2"
done
refused 1 'an unknown device' "nothing is recorded of 'sdz'; there is: sda, 0:41" -o "$page" --device sdz
refused 1 'a directory that is not there' "$T/no/page.html: No such file" -o "$T/no/page.html"
refused 1 'a directory as output' 'Is a directory' -o "$T"
echo before >"$page"
ok 'a full disk fails' [ "$(report -o /dev/full; echo $?)" = 1 ]
like "$(cat "$T/err")" 'No space left' 'a full disk: says so'
rm "$page"

# --- the page of a made-up history -----------------------------------------------------------

echo precious >"$T/precious"
ln -s precious "$page.part"
ok 'a page is drawn' report -o "$page"
is "$(<"$T/precious")" precious "through nobody's link"
is "$(cat "$T/out" "$T/err")" '' 'and nothing said'
is "$(stat -c %a "$page")" 644 'the page has the mode of any file'
ok 'no part of it is left over' test ! -e "$page.part"
report -o - && ok '-o - gives the same' cmp -s "$T/out" "$page"
ok 'it is well-formed' xmllint --html --noout --nowarning "$page" 2>"$T/xmllint"
grep -vE 'Tag (svg|figure|figcaption|section|time|path|rect|g|text|title|desc) invalid|^ *\^|^ *<|^$' \
	"$T/xmllint" | grep -E 'error' && die 'what xmllint says of the page'
is "$(grep -oE '(src|href|url|@import|xlink)[=(][^ >]*' "$page" | grep -v '^href="#device[0-9]*"$')" '' \
	'it refers to nothing outside'
is "$(grep -ciE '<script|javascript:| on[a-z]+=' "$page")" 0 'it has no script'

# words FILE: its text as a browser has it, a row of a table a line.
words() {
	perl -0777 -pe 's/\n/ /g; s/<svg.*?<\/svg>//gs; s/<head>.*?<\/head>//s; s/<\/(tr|p|h\d|caption|li)>/\n/g;
		s/<\/t[hd]>/ | /g; s/<[^>]*>//g;
		my %named = (amp => "&", lt => "<", gt => ">", quot => "\"");
		s/&(?:#(\d+)|(amp|lt|gt|quot));/$2 ? $named{$2} : chr $1/ge' "$1" |
		sed 's/^ *//; s/  */ /g'
}
# says TEXT NAME: the page has just this line.
says() { ok "$2" grep -qxF -- "$1" "$T/words" || diag "wanted: $1" "$(grep -F -- "${1:0:19}" "$T/words")"; }

browse() { # [OPTION]...: a browser that asks nobody
	local profile
	profile=$(mktemp -d "$T/browser.XXXXXX")
	timeout 60 chromium --headless --no-sandbox --disable-gpu --disable-quic --no-first-run \
		--disable-background-networking --disable-component-update --disable-sync \
		--hide-scrollbars --force-device-scale-factor=1 --user-data-dir="$profile" \
		"$@" "file://$page" 2>"$T/chromium.log"
}
if ! command -v chromium >/dev/null; then
	skip 'what a browser makes of it' 'no chromium here (tests/deps.sh test)'
	cp "$page" "$T/dom"
else
	ok 'a browser reads it' browse --dump-dom >"$T/dom"
fi
words "$T/dom" >"$T/words"

says "bpfahead on $(uname -n)" 'the host'
says 'sda bdi 8:0' 'a disk, by its name'
says '0:41 (/srv/<films> & "more") bdi 0:41' 'a name that is no friend of HTML'
dash=$'\u2013' arrow=$'\u2192'
while IFS=, read -r time rest; do
	says "2026-01-05 $time | ${rest//->/$arrow} | " "decision at $time"
done <<-TEXT
	08:10:00,no class -> pages | 128 -> 16 KB | 20.2 | set
	08:35:00,pages -> sequential | 16 -> 252 KB | 25.5 | set
	08:50:00,sequential -> small-files | 252 KB | 8.2 | in place already
	08:55:00,small-files | 252 -> 508 KB | $dash | neighbour tried
	08:57:00,small-files | 252 -> 508 KB | $dash | neighbour taken back
	08:58:00,small-files -> short-runs | 252 -> 124 KB | 12.5 | set
	09:04:40,short-runs | 252 -> 124 KB | $dash | taken back: -31 % places read
	09:04:40,short-runs | 124 -> 252 KB | 12.5 | set
	09:44:40,short-runs -> objects | 252 -> 28 KB | 9.2 | refused: Read-only file system
	10:29:40,no class -> objects | 128 -> 28 KB | 9.8 | set
	10:39:40,objects | 128 -> 28 KB | 9.5 | set again: the kernel had reset it
	10:49:40,objects | 28 -> 96 KB | 9.2 | changed by somebody else: left alone
	11:19:40,sequential -> mixed | 252 KB | 5.5 | in place already
	11:24:40,mixed | $dash | $dash | the device has left
TEXT
is "$(grep -cE '^2026-01-05 ' "$T/words")" 14 'and no other decision'
ok 'what was read, by class and readahead' grep -qE '^sequential \| 252 KB \| 15 min \| 1[0-9]{2} GB, 11[0-9]\.[0-9] MB/s \| .* \| 1.0' "$T/words"
ok 'of a file system without a disk, what the page cache asked for' \
	grep -qE "^sequential \| 252 KB \| 10 min \| $dash \| 4[0-9] GB, [78][0-9]\.[0-9] MB/s" "$T/words"
ok 'a summary' grep -qE '^276 GB read; readahead set 6 times, 1 taken back, 1 refusal, 1 time changed by somebody else; at the end 96 KB; the administrator.s value is 96 KB\.' \
	"$T/words" || diag "$(grep -E 'GB read;' "$T/words")"
is "$(grep -oE '<g class="sign"' "$T/dom" | wc -l)" 13 'a sign for each, but for the device that left'

# --- and its picture -------------------------------------------------------------------------

# shot FILE [OPTION]...: the first screen, and of each colour asked for how many pixels and where.
shot() {
	local file=$1
	shift
	browse --window-size=1080,1040 --screenshot="$file" "$@" >/dev/null
	perl "$TOP/tests/png-colours.pl" "$file" ffffff 14171c cc79a7 0072b2 d55e00 c21a1a ff7b7b 7a5b00 0b5cad >"$T/pixels" ||
		die "png-colours.pl: $(cat "$T/chromium.log")"
}
# pixels COLOUR WHAT (count left top right bottom)
pixels() { awk -v c="$1" -v w="$2" 'BEGIN { n = split("count left top right bottom", names, " ")
	for (i = 1; i <= n; i++) at[names[i]] = i + 1 } $1 == c { print $(at[w]) }' "$T/pixels"; }
if command -v chromium >/dev/null; then
	TZ=UTC shot "$T/light.png"
	diag "$(cat "$T/pixels")"
	is "$(head -1 "$T/pixels" | cut -d' ' -f1,2)" '1080 1040' 'a picture of the size asked for'
	ok 'light: white paper' [ "$(pixels ffffff count)" -gt 800000 ]
	ok 'light: and not all of it' [ "$(pixels ffffff count)" -lt 1080000 ]
	ok 'pages are drawn' [ "$(pixels cc79a7 count)" -gt 1500 ]
	ok 'sequential is drawn' [ "$(pixels 0072b2 count)" -gt 800 ]
	ok 'objects are drawn' [ "$(pixels d55e00 count)" -gt 3000 ]
	is "$(pixels cc79a7 top)" "$(pixels d55e00 top)" 'pages and objects are in one strip'
	ok 'pages come first' [ "$(pixels cc79a7 left)" -lt 200 ]
	ok 'objects last' [ "$(pixels d55e00 right)" -gt 900 ]
	ok 'what was taken back, and refused, in red' [ "$(pixels c21a1a count)" -gt 60 ]
	ok 'what somebody else changed' [ "$(pixels 7a5b00 count)" -gt 60 ]
	ok 'the curve of readahead' [ "$(pixels 0b5cad count)" -gt 1500 ]
	shot "$T/dark.png" --force-dark-mode --blink-settings=preferredColorScheme=0
	ok 'dark: dark paper' [ "$(pixels 14171c count)" -gt 800000 ]
	ok 'dark: no white' [ "$(pixels ffffff count)" -lt 2000 ]
	ok 'dark: its own red' [ "$(pixels ff7b7b count)" -gt 60 ]
	# Without what was decided there is nothing red: the picture is of the history, not of the legend.
	ok 'the file system alone is drawn' report -o "$page" --device 0:41
	shot "$T/films.png"
	is "$(pixels c21a1a count) $(pixels cc79a7 count)" '0 0' 'and nothing of the disk'
	ok 'by its mount point, too' [ "$(words "$page" | grep -c '^sda')" = 0 ]
fi
rm "$page"

# --- choosing --------------------------------------------------------------------------------

ok 'one device' report -o "$page" --device sda
is "$(grep -c '<section' "$page")" 1 'is drawn alone'
ok 'both' report -o "$page" --device sda --device 0:41
is "$(grep -c '<section' "$page")" 2 'are drawn'
ok 'a period long past' report -o "$page" --since 10min
is "$(grep -c '<section' "$page")" 0 'has no device'
ok 'and that is said' grep -q 'Nothing was recorded in this time' "$page"
# A torn record: the rest is drawn.
perl -e 'open(my $f, "+<", shift) or die; seek($f, 4096 + 256 * 5 + 100, 0); print $f "torn"' "$state/history"
ok 'a torn record' report -o "$page"
ok 'is left out, and that is said' grep -q '1 torn record left out' "$page"
# As small as a ring can be, and wrapped.
perl "$TOP/tests/plant-history.pl" "$state/history" 16 || die plant-history.pl
ok 'a ring that has wrapped' report -o "$page"
ok 'its end is drawn' grep -q 'the device has left' "$page"
is "$(grep -c 2026-01-05T08 "$page")" 0 'and not its beginning'
rm "$state/history" "$page"

# --- a disk's own ----------------------------------------------------------------------------

random_disk 192
start_run
# Samples that nobody watches wait for each other: eight of them wake.
"$BPFAHEAD" config sample=500ms >/dev/null || die 'config sample'
random_load
ok 'random pages of a throttled disk: the value is set' wait_for 15 settled 192
ours=$(read_kb) class=$(decided_class)
nap 4
stop_load
forget "$MNT/data"
start_load sequential "$MNT/data"
ok 'then a scan: raised' wait_for 15 kb_is 256
kb_read() { awk '{ print int($3 / 2) }' "/sys/block/$NAME/stat"; }
from_kb=$(kb_read) from_us=$(now_us)
scan_is_drawn() {
	report -o "$page" --device "$LOOP" && words "$page" >"$T/words" &&
		grep -q '^sequential | 256 KB | [0-9]' "$T/words"
}
ok 'a page, while it is written: the scan is drawn' wait_for 20 scan_is_drawn
disk_rate=$((($(kb_read) - from_kb) * 1024 / ($(now_us) - from_us)))
ok "with the first decision: 192 -> $ours KB" grep -qE "no class $arrow $class \| 192 $arrow $ours KB \| [0-9.]+ \| set" "$T/words"
ok 'and the second' grep -qE "$arrow sequential \| $ours $arrow 256 KB \| [0-9.]+ \| set" "$T/words"
# 24 MB/s and 1,500 reads a second are the limits, which a slow machine does not reach.
rate=$(sed -nE "s/^sequential \| 256 KB \| .*, ([0-9]+)\.[0-9] MB\/s \| .* MB\/s \| .*/\1/p" "$T/words")
ok "the scan's rate is that of the disk: $rate MB/s beside $disk_rate" \
	[ "$disk_rate" -gt 0 -a $((${rate:-0} * 10)) -ge $((disk_rate * 6)) -a "${rate:-0}" -le 30 ]
ratio=$(sed -nE "s/^sequential \| 256 KB \| .* \| ([0-9.]+)× .*/\1/p" "$T/words")
ok "a scan fetches no more than it reads: $ratio" awk -v r="${ratio:-9}" 'BEGIN { exit !(r < 1.1) }'
ratio=$(sed -nE "s/^pages \| $ours KB \| .* \| ([0-9.]+)× .*/\1/p" "$T/words")
ok "random pages do: $ratio times as much" awk -v r="${ratio:-0}" 'BEGIN { exit !(r > 1.5) }'
stop_load

# Nothing is read, nothing is written; nor by a report.
nap 3
before=$(stat -c '%y %s' "$state/history")$(md5sum <"$state/history")
nap 4
report -o "$page"
is "$(stat -c '%y %s' "$state/history")$(md5sum <"$state/history")" "$before" 'a quiet disk: the file stays as it is'

stop_run KILL
start_run
stop_run TERM
ok 'killed and started again: a page' report -o "$page"
is "$(grep -c 'torn record' "$page")" 0 'nothing was torn'
ok 'the time between is marked' grep -q 'bpfahead did not run' "$page"
[ $tests_failed = 0 ] || diag "$(cat "$T/run.log" "$T/run.err" "$T/words")"
done_testing
