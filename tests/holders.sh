# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
#
# holders.sh - processes that have files open, and what readahead the kernel says these have.
# Sourced after lib.sh, by tests of open files.
# shellcheck disable=SC2034,SC2153 # variables are for the tests, or from lib.sh

hold=$TOP/build/tests/hold
list_files=$TOP/build/tests/open_files
need_holders() {
	local tool
	for tool in "$hold" "$list_files"; do
		[ -x "$tool" ] || die "$tool is missing: make test-build"
	done
	# Other users are to reach the files.
	chmod 755 "$T" "$MNT"
}

declare -A HOLD
# start_hold NAME [OPTION...] [-- COMMAND...]: `hold OPTION...` on the file $MNT/NAME, below COMMAND;
# its process id, as itself sees it, in HOLD[NAME].
start_hold() {
	local name=$1 args=()
	shift
	while [ $# -gt 0 ] && [ "$1" != -- ]; do args+=("$1") && shift; done
	[ $# = 0 ] || shift
	[ -f "$MNT/$name" ] || echo "$name" >"$MNT/$name"
	: >"$T/hold.$name"
	"$@" "$hold" "${args[@]}" "$MNT/$name" >"$T/hold.$name" 2>&1 </dev/null &
	pids+=($!)
	wait_for 10 grep -q '^ready' "$T/hold.$name" || die "hold $name: $(<"$T/hold.$name")"
	HOLD[$name]=$(awk '$1 == "ready" { print $2 }' "$T/hold.$name")
	# Where the opener has left, what it forked is no child of ours.
	kill -0 $! 2>/dev/null || pids+=("${HOLD[$name]}")
}

bdi_id() { status_json | jq -r --arg n "$BDI" '.devices[] | select(.bdi == $n) | .bdi_id'; }

# kb_of_file NAME: KB of the descriptors of $MNT/NAME, each value once. ID is the bdi's.
kb_of_file() {
	local ino
	ino=$(stat -c %i "$MNT/$1")
	"$list_files" "$BPFAHEAD_PIN_DIR" "$ID" | awk -v ino="$ino" '$5 == ino { print $3 }' |
		sort -nu | paste -sd' '
}
file_has() { [ "$(kb_of_file "$1")" = "$2" ]; }

# files_have KB NAME...: all of them do, at once or within 3 s; says which do not.
files_have() {
	local kb=$1 name failed=0
	shift
	for name; do
		wait_for 3 file_has "$name" "$kb" || {
			diag "$name has $(kb_of_file "$name") KB, wanted $kb"
			failed=1
		}
	done
	return $failed
}

# as_told: no value is taken back or tried but those of the test.
as_told() { "$BPFAHEAD" config guard=off probe=off; }

# set_row KB: whatever the class, this is its number on the device, which the next hop wants.
set_row() {
	local class settings=()
	for class in $("$BPFAHEAD" config --json | jq -r '.policy.default | keys[]'); do
		settings+=("policy.$NAME.$class=$1")
	done
	"$BPFAHEAD" config "${settings[@]}" && wait_for 15 kb_is "$1"
}
