#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Files that are open already get the new value, whoever has them; what a program or the
# administrator asked for stays. What a file has is read from the kernel's struct file.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/holders.sh
. "$(dirname "$0")/../holders.sh"
need fio jq dd unshare

make_loop 1152
make_fs "$LOOP" ext4
fill_file "$MNT/data" 1024
need_throttle 24000000 1500
need_holders
set_kb 128

everybody=(plain user namespaces forked passed thread comm)
start_hold plain
start_hold user --uid 65534
start_hold namespaces -- unshare --pid --mount --fork --kill-child=KILL
start_hold forked --fork
start_hold passed --pass
start_hold thread --thread
start_hold comm --comm holder-one
start_hold random --advice random
start_hold sequential --advice sequential
start_hold noreuse --advice noreuse
start_hold mapped --map
blockdev --getra "$LOOP" >/dev/null
"$hold" "$LOOP" >"$T/hold.device" &
pids+=($!)

start_run
forget "$MNT/data"
start_load mmap-random "$MNT/data"
ok 'the value is ours' wait_for 15 settled 128
ID=$(bdi_id)
ours=$(read_kb)
ok "open files have it: ${everybody[*]} ($ours KB)" files_have "$ours" "${everybody[@]}"
ok 'POSIX_FADV_RANDOM is left alone' file_has random 128
ok 'POSIX_FADV_SEQUENTIAL is left alone' file_has sequential 256

ok 'another change' set_row 60
ok 'open files have that, too' files_have 60 "${everybody[@]}"
ok 'a larger one' set_row 2044
ok 'and that' files_have 2044 "${everybody[@]}"

stop_load
stop_run TERM
is "$RUN_STATUS" 0 'run ends with status 0'
is "$(read_kb)" 128 'the original is back'
ok 'loaded again, to look' quietly "$BPFAHEAD" load
ok 'and open files have it, too' files_have 128 "${everybody[@]}"
[ $tests_failed = 0 ] || diag "$(cat "$T/run.log" "$T/run.err")"
done_testing
