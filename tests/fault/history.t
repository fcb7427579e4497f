#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A history that cannot be kept is one line in the log, and the work goes on; one that can is kept by
# the helper after it has given its privileges up, and wakes it for nothing.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
need fio jq dd
state=$BPFAHEAD_STATE_DIR

random_disk 192

# works_without NAME REGEX: both say just that, start, and stop in good order.
works_without() {
	local name=$1 regex=$2
	start_run
	stop_run TERM
	is "$RUN_STATUS" 0 "$name: run works"
	is "$(grep -cE "$regex" "$T/run.err")" 1 "$name: run says so once"
	load_listed "$BDI" 2>"$T/load.err" || die load
	start_helper || die "bpfaheadd: $(cat "$T/run.err")"
	stop_run TERM
	is "$RUN_STATUS" 0 "$name: bpfaheadd works"
	is "$(grep -cE "$regex" "$T/run.err")" 1 "$name: bpfaheadd says so once"
	"$BPFAHEAD" unload >/dev/null || die unload
	[ $tests_failed = 0 ] || diag "$(cat "$T/run.err")"
}

mkdir -m 700 "$state"
mount -t tmpfs -o size=64k,mode=700 bpfahead-test "$state" || die 'mount tmpfs'
mounts+=("$state")
works_without 'a full disk' 'no history: .*/history: cannot be made: No space left'
rm -f "$state/history"
mount -o remount,ro "$state" || die 'remount'
works_without 'a read-only disk' 'no history: .*/history: cannot be opened: Read-only'
umount "$state" || die umount
echo 'a letter' >"$state/history"
works_without 'another file' 'no history: .*not a history of this version, and stays'
is "$(cat "$state/history")" 'a letter' 'another file: it stays'
perl "$TOP/tests/plant-history.pl" "$state/history" || die plant-history.pl
perl -e 'open(my $f, "+<", shift) or die; seek($f, 8, 0); print $f "\2"' "$state/history"
works_without 'another version' 'no history: .*not a history of this version, and stays'
rm "$state/history"
chmod 770 "$state"
works_without 'a directory that others may write into' 'nothing is remembered: .*Operation not permitted'
chmod 700 "$state"
chown 65534 "$state"
works_without "another user's directory" 'nothing is remembered: .*Operation not permitted'
chown 0 "$state"
rmdir "$state"
: >"$state"
works_without 'a file for a directory' 'nothing is remembered: .*Not a directory'
rm "$state"
BPFAHEAD_STATE_DIR=$T/no/state works_without 'no place for a directory' 'nothing is remembered: .*No such file'

# Made by whoever comes first, and nobody else's.
"$BPFAHEAD" load >/dev/null || die load
is "$(stat -c '%a %u' "$state")" '700 0' 'load makes the directory'
"$BPFAHEAD" unload >/dev/null || die unload

# Asked not to, none is kept.
start_run --no-history
stop_run TERM
ok 'run --no-history keeps none' test ! -e "$state/history"
is "$(grep -c history "$T/run.err")" 0 'and says nothing'

# The helper writes it without a capability, through Landlock and seccomp.
records() { perl -e 'open(my $f, "<", shift) or exit; local $/; $_ = substr(<$f>, 4096);
	my $n = () = grep { /[^\0]/ } unpack("(a256)*", $_); print $n' "$state/history"; }
grew() { [ "$(records)" -gt "$1" ]; }
load_listed "$BDI" 2>"$T/load.err" || die load
"$BPFAHEAD" config sample=500ms >/dev/null || die config
start_helper || die "bpfaheadd: $(cat "$T/run.err")"
is "$(records)" 1 'bpfaheadd: a history is begun'
is "$(stat -c %a "$state/history")" 600 "bpfaheadd: root's alone"
random_load
ok 'bpfaheadd: the value is set' wait_for 15 settled 192
ok 'bpfaheadd: a decision and samples are written' wait_for 10 grew 2
# A second writer, elsewhere, has none of it.
like "$(BPFAHEAD_PIN_DIR=$BPFAHEAD_PIN_DIR-2 timeout 5 "$BPFAHEAD" run --dry-run --device "$NAME" 2>&1)" \
	'no history: .*another process writes it' 'a second writer is turned away, and works'
stop_load
nap 1
wakings() { awk '/^voluntary_ctxt_switches/ { print $2 }' "/proc/$RUN_PID/status"; }
before="$(wakings) $(records) $(stat -c %y "$state/history")"
nap 5
is "$(wakings) $(records) $(stat -c %y "$state/history")" "$before" 'nothing is read: it sleeps, and writes nothing'
n=$(records)
stop_run KILL
is "$(records)" "$n" 'killed: what was written is there'
start_helper || die "bpfaheadd: $(cat "$T/run.err")"
ok 'started again: it goes on behind that' grew "$n"
stop_run TERM
newest() { perl -e 'open(my $f, "<", shift) or exit; local $/; my @r = unpack("(a256)*", substr(<$f>, 4096));
	my ($r) = sort { unpack("x8 Q<", $b) <=> unpack("x8 Q<", $a) } @r; print join " ", unpack("x4 C2", $r)' \
	"$state/history"; }
is "$(newest)" '4 2' 'stopped: its end is written, behind what waited in the ring'
ok 'and all of it is drawn' "$BPFAHEAD" report -o "$T/page.html"
is "$(grep -c 'torn record' "$T/page.html")" 0 'nothing is torn'
[ $tests_failed = 0 ] || diag "$(cat "$T/run.log" "$T/run.err")"
done_testing
