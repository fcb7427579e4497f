#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Emergency mode stands still and puts the originals back, with the helper alive and dead.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
need fio jq dd

random_disk 192
start_run
random_load
ok 'under mmap random load the value is ours' wait_for 15 settled 192
ours=$(read_kb)

ok 'helper alive: config mode=emergency' quietly "$BPFAHEAD" config mode=emergency
is "$(read_kb)" 192 'helper alive: the command itself has put the original back'
ok 'helper alive: it stays' stays 192 6
is "$(status_json | jq -r .mode)" emergency 'helper alive: status tells the mode'
ok 'helper alive: config mode=act' "$BPFAHEAD" config mode=act
ok 'helper alive: decisions are applied again' wait_for 12 kb_is "$ours"

# The modes in between.
ok 'config mode=recommend' "$BPFAHEAD" config mode=recommend
set_kb 192
ok 'recommend: nothing is written' stays 192 5
ok 'config mode=act' "$BPFAHEAD" config mode=act
"$BPFAHEAD" config "resume=$NAME" >/dev/null 2>&1
ok 'act: applied again' wait_for 12 kb_is "$ours"

stop_run KILL
ok 'helper dead: the value is still ours' kb_is "$ours"
ok 'helper dead: config mode=emergency' quietly "$BPFAHEAD" config mode=emergency
is "$(read_kb)" 192 'helper dead: the command itself has put the original back'
ok 'helper dead: it stays' stays 192 4
ok 'unload' quietly "$BPFAHEAD" unload
is "$(read_kb)" 192 'unloaded: the original is in place'
[ $tests_failed = 0 ] || diag "$(cat "$T/run.log" "$T/run.err")"
done_testing
