#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The harm guard: a policy row that is wrong, and a model whose labels are swapped, on throttled
# devices. How long the harmful value stays, what that costs beside staying put, and that it is not
# tried again. FULL=1: longer, and on both devices.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
need fio jq dd
[ -x "$TOP/build/tests/reader" ] || die 'build/tests/reader is missing: make test-build'
SECONDS_EACH=16
[ "${FULL:-0}" = 0 ] || SECONDS_EACH=60

make_loop 2304
make_fs "$LOOP" ext4
fill_file "$MNT/data" 2048

# read_for KIND SECONDS [RATE]: throttled; its lines in $T/reader, its total in UNITS; sets BAD_MS, for
# how long readahead was $BAD_KB. After LESS_AFTER_MS it is told to ask for less.
BAD_KB=0 LESS_AFTER_MS=
read_for() {
	local start now last span kb less=$LESS_AFTER_MS
	forget "$MNT/data"
	"${in_cgroup[@]}" "$CGROUP" "$TOP/build/tests/reader" "$1" "$MNT/data" "$2" "${3:-0}" >"$T/reader" 2>&1 &
	LOAD_PID=$!
	pids+=("$LOAD_PID")
	start=$(now_us)
	BAD_MS=0 now=$start
	while kill -0 "$LOAD_PID" 2>/dev/null; do
		read -r kb <"$KB_FILE"
		nap 0.05
		last=$now now=${EPOCHREALTIME/[.,]/}
		if [ -n "$less" ] && [ $((now - start)) -gt $((less * 1000)) ]; then
			kill -USR1 "$LOAD_PID"
			less=
		fi
		# A machine that does not get to run (in emulation) judges as much later.
		span=$(((now - last) / 1000))
		[ "$kb" != "$BAD_KB" ] || BAD_MS=$((BAD_MS + (span < 150 ? span : 150)))
	done
	wait "$LOAD_PID"
	pids=("${pids[@]/$LOAD_PID/}")
	UNITS=$(awk '/^total/ { print int($2 * 1000 / $3) }' "$T/reader")
	[ -n "$UNITS" ] || die "reader: $(tail -1 "$T/reader")"
}
said() { grep -cE "$1" "$T/run.log"; }

# harm WHAT KIND ORIGINAL BAD_KB: with `bpfahead run` at work, whose policy or model is wrong for KIND.
harm() {
	local what=$1 kind=$2 original=$3 put bad
	BAD_KB=$4
	set_kb "$original"
	read_for "$kind" 6
	put=$UNITS
	start_run "${RUN_OPTIONS[@]}"
	# shellcheck disable=SC2086 # words
	[ -z "$WRONG" ] || "$BPFAHEAD" config $WRONG >/dev/null || die 'config'
	read_for "$kind" "$SECONDS_EACH"
	bad=$BAD_MS
	diag "$what: $put a second at $original KB, $UNITS over $SECONDS_EACH s with the guard; at $BAD_KB KB for $bad ms"
	diag "$(cut -d" " -f1-14 "$T/run.log")"
	ok "$what: the harmful value was tried" [ "$bad" -gt 0 ]
	ok "$what: and gone within 5 s" [ "$bad" -le 5000 ]
	is "$(read_kb)" "$original" "$what: $original KB again"
	is "$(said 'back to [0-9]+ KB')" 1 "$what: taken back once, and said so"
	is "$(said 'does harm to')" 1 "$what: progress came back with it"
	# What it may cost: 5 s of nothing.
	ok "$what: at least $(((SECONDS_EACH - 5) * 90 / SECONDS_EACH)) % of what staying put gives" \
		[ $((UNITS * 100)) -ge $((put * (SECONDS_EACH - 5) * 90 / SECONDS_EACH)) ]
	# The memory: after a pause that ends every window, the same readers again.
	nap 6
	read_for "$kind" 8
	is "$BAD_MS" 0 "$what: not tried a second time"
}

# --- a wrong row ----------------------------------------------------------------------------

need_throttle 125000000 3000
RUN_OPTIONS=()
WRONG='policy.pages=4096 policy.pages.clamp=none'
harm 'pages at 4096 KB on cloud' pages 128 4096
ok 'the row in the map is told to be learned' [ "$("$BPFAHEAD" config --json |
	jq -r --arg b "$BDI" '.policy[$b].pages.clamp')" = learned ]
is "$(status_json | jq -c --arg b "$BDI" '.devices[] | select(.bdi == $b) | .learned |
	[.reverts, .harmful, .cleared, .values[0].kind, .values[0].kb]')" '[1,1,0,"harm",4096]' 'status shows it'
ok 'to people, too' grep -q 'pages: 4096 KB does harm, not tried for another' <("$BPFAHEAD" status)
stop_run TERM
is "$RUN_STATUS" 0 'stopped'
is "$(read_kb)" 128 'the original is back'
ok 'a report is drawn' "$BPFAHEAD" report -o "$T/page.html"
ok 'and says what was taken back' grep -qE '<td>128 .* 4096 KB</td>.*<td>taken back: -[0-9]+ %' "$T/page.html"
ok 'and marks it' grep -q '<path class="reverted"' "$T/page.html"

# A new process knows, from the state directory.
start_run
# shellcheck disable=SC2086 # words
"$BPFAHEAD" config $WRONG >/dev/null
read_for pages 8
is "$BAD_MS" 0 'another process remembers'
# What a person sets for the device is a person's: told, not taken back.
"$BPFAHEAD" config "policy.$BDI.pages=4096" >/dev/null || die 'config'
read_for pages 8
ok 'a value set by hand for the device stays' [ "$(read_kb)" = 4096 ]
is "$(said 'set by hand, cost')" 1 'and what it costs is said'
stop_run TERM

# --- readers that leave ----------------------------------------------------------------------

# As the value changes, readers ask for a third: less progress, but not by the value.
rm -f "$BPFAHEAD_STATE_DIR/learned.ini"
WRONG=''
set_kb 64
start_run
"$BPFAHEAD" config policy.pages=32 >/dev/null || die 'config'
LESS_AFTER_MS=2500
read_for pages 14 1500
LESS_AFTER_MS=
diag "$(cut -d" " -f1-14 "$T/run.log")"
ok 'less demand is not remembered as harm' [ "$(said 'does harm to')" = 0 ]
is "$(read_kb)" 28 'and the value stays'
stop_run TERM

# --- a wrong model ---------------------------------------------------------------------------

# swap_labels FILE A B: the outputs of two classes change their names, and the file is sealed anew.
swap_labels() {
	perl -e 'use integer; my ($path, $a, $b) = @ARGV; local $/; open(my $f, "+<:raw", $path) or die;
		my $m = <$f>;
		my $n = ord substr($m, 66, 1);
		substr($m, 80, $n) = join "", map { $_ == $a ? chr $b : $_ == $b ? chr $a : chr $_ }
			unpack("C$n", substr($m, 80, $n));
		substr($m, 16, 8) = "\0" x 8;
		sub step { my ($s, $w) = @_; $s = ($s ^ $w) * -7046029254386353131;
			return $s << 27 | (($s >> 37) & 0x7ffffff) }
		my @w = unpack("q<*", $m); my @lane = (1, 2, 3, 4);
		my @h = splice(@w, 0, 48); my $rest = @w / 4 * 4;
		$lane[$_ % 4] = step($lane[$_ % 4], $h[$_]) for 0 .. 47;
		for my $i (0 .. $#w) { my $to = $i < $rest ? $i % 4 : 0; $lane[$to] = step($lane[$to], $w[$i]) }
		substr($m, 16, 8) = pack("q<", step(step($lane[0], $lane[1]), step($lane[2], $lane[3])));
		seek($f, 0, 0); print $f $m' "$@"
}
cp "$TOP/weights/default.bin" "$T/wrong.bin"
swap_labels "$T/wrong.bin" 0 6
"$BPFAHEAD" weights verify "$T/wrong.bin" >/dev/null || die 'the model with swapped labels is not sound'

need_throttle 150000000 120
RUN_OPTIONS=(--weights "$T/wrong.bin")
harm 'a stream that the model calls pages, on hdd' stream 1024 16
stop_run TERM
# On a slower disk, and from a new place every 8 MB: by the windows these may be runs, of whose bytes it
# is in doubt which were of use, and too few places are read to judge by places.
rm -f "$BPFAHEAD_STATE_DIR/learned.ini"
need_throttle 30000000 120
harm 'clips that the model calls pages, on a slow disk' clips 1024 16
stop_run TERM
is "$(read_kb)" 1024 'the original is back'
done_testing
