#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# vm.sh tells what became of its guest, whatever becomes of it, and leaves nothing behind.
# KERNEL=6.1 takes that kernel for it.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
T=$(mktemp -d "${TMPDIR:-/var/tmp}/bpfahead-test.XXXXXX") || die 'mktemp'
vm=$TOP/tests/vm/vm.sh
export KERNEL=${KERNEL:-6.12} TMPDIR=$T/tmp
mkdir "$TMPDIR"

# guest NAME OPTION... -- COMMAND...: one that this file waits for, in the background.
guest() {
	local name=$1
	shift
	"$vm" -k "$KERNEL" -o "$T/out-$name" "$@" >"$T/$name.stdout" 2>"$T/$name.stderr" &
	pids+=($!)
	eval "${name}_pid=$!"
}
ended() { # NAME: sets STATUS
	local pid=${1}_pid
	wait "${!pid}"
	STATUS=$?
}
show() { diag "$(tail -n 15 "$T/$1.stdout" "$T/$1.stderr" "$T/out-$1/console.log" 2>&1)"; }
# says NAME REGEX: on standard error
says() {
	grep -qE -- "$2" "$T/$1.stderr" || {
		show "$1"
		return 1
	}
}

# --- usage: one line, before anything is started ---
refused() { # NAME REGEX ARGUMENT...
	local name=$1 regex=$2 output status
	shift 2
	output=$("$vm" "$@" 2>&1 </dev/null)
	status=$?
	is "$status:$(wc -l <<<"$output")" 2:1 "$name: status 2, one line" || diag "$output"
	like "$output" "$regex" "$name: which says what"
}
refused 'no command' 'no command' -k "$KERNEL"
refused 'an unknown option' 'no such option -z' -z -- true
refused 'an option without its value' '-k needs a value' -k
refused 'an unknown kernel' '9\.99' -k 9.99 -- true
refused 'an unknown architecture' "'vax'" -a vax -- true
refused 'a disk of an unknown bus' "'floppy:1:a'" -d floppy:1:a -- true
refused 'a disk without a name' "'nvme:64'" -d nvme:64 -- true
refused 'a limit that is no number' "'soon'" -t soon -- true
refused 'an environment without a value' "'NAME'" -e NAME -- true
like "$("$vm" -h)" 'Exit status: ' '-h tells the exit statuses'

# --- two at the same time, by the same name: one fails, one's kernel complains ---
export VM_CACHE=${VM_CACHE:-$TOP/build/vm}
# shellcheck disable=SC2016 # for the guest
guest failing -d nvme:64:a -e "SAID=it's \"\$HOME\"  and	more" -e EMPTY= -- bash -c '
	printf "<%s>\n" "$SAID" "${EMPTY-unset}" "$@"
	echo "disk: $(vm-disk a); none: $(vm-disk b)"
	echo mine >/src/mark; echo mine >/mark
	vm-qmp "{\"execute\": \"query-status\"}"; echo "qmp: $?"
	vm-qmp "{\"execute\": \"no-such-command\"}"; echo "bad qmp: $?"
	vm-qmp "not even JSON"; echo "no qmp: $?"
	vm-qmp "{\"execute\": \"query-version\"}" >/dev/null & vm-qmp "{\"execute\": \"query-name\"}" >/dev/null
	wait $!; echo "two at once: $?"
	echo mistake >&2
	exit 3' - 'two words' "don't"
# shellcheck disable=SC2016 # for the guest
guest complaining -- bash -c '
	echo "<4>WARNING: CPU: 0 PID: 1 at planted.c:1 harness+0x0/0x10" >/dev/kmsg
	[ ! -e /src/mark ] && [ ! -e /mark ] && echo alone
	echo "output only"'
ended failing
is $STATUS 3 'a command that exits with 3: status 3' || show failing
for line in "<it's \"\$HOME\"  and	more>" '<>' '<two words>' "<don't>" 'disk: /dev/nvme0n1; none: ' 'qmp: 0' \
	'bad qmp: 1' 'no qmp: 1' 'two at once: 0' 'mistake'; do
	ok "its output holds: $line" grep -qxF -- "$line" "$T/failing.stdout"
done
ok "the machine's error is told" grep -q CommandNotFound "$T/failing.stdout"
is "$(cat "$T/failing.stderr")" '' 'and nothing else is said'
ended complaining
is $STATUS 125 'a WARN, though the command succeeded: status 125' || show complaining
is "$(sort "$T/complaining.stdout")" $'alone\noutput only' 'what one guest writes is not the other'\''s'
ok 'the line is shown' says complaining 'WARNING: .* at planted.c:1'
ok "the console's end is shown" says complaining 'reboot: Power down|Power Off'

# --- hung, and panicked; -q ---
guest hanging -t 30 -- bash -c 'echo begun; sleep 1000'
guest panicking -q -- bash -c 'echo begun; echo c >/proc/sysrq-trigger; sleep 1000'
ended hanging
is $STATUS 124 'a command that does not end: status 124' || show hanging
ok 'the limit is told' says hanging 'not done in 30 s'
ok "the console's end is shown" says hanging '^ +\[ *[0-9]+\.[0-9]+\]'
ended panicking
is $STATUS 126 'a panic: status 126' || show panicking
ok 'it is shown' says panicking 'Kernel panic - not syncing: sysrq triggered crash'
is "$(grep -c 'console.s end' "$T/panicking.stderr")" 1 "the console's end is shown once"
is "$(cat "$T/panicking.stdout")" '' '-q: no output'
is "$(cat "$T/out-panicking/output")" begun 'but in its file'

# --- an output directory has one guest; a machine that does not start; interrupted ---
guest first -- sleep 1000
machine_runs() { pgrep -P "${first_pid:?}" '^qemu-system' >"$T/machine"; }
ok 'a machine runs' wait_for 60 machine_runs
refused "another guest's output directory" "another guest's" -k "$KERNEL" -o "$T/out-first" -- true
kill -TERM "$first_pid"
ended first
is $STATUS 143 'interrupted: status 143'
gone() { ! kill -0 "$(cat "$T/machine")" 2>/dev/null; }
ok 'interrupted: its machine is gone' wait_for 5 gone
guest unstarted -Q '-no-such-option' -- true
ended unstarted
is $STATUS 126 'a machine that does not start: status 126'
ok 'it says why' says unstarted 'no-such-option'
is "$(ls -A "$TMPDIR")" '' 'no temporary file is left by any of them'
pids=()
done_testing
