# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
# What tests of bpfahead-gen share: TAP, and a directory of their own that they work in.
# shellcheck source=tests/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

T=$(mktemp -d)
cd "$T" || exit 1

# refuses NAME REGEX ARGUMENT...: exit status 1, one line on standard error that matches
refuses() {
	local name=$1 regex=$2 status
	shift 2
	"$BPFAHEAD_GEN" "$@" >out 2>err </dev/null
	status=$?
	is $status 1 "$name: exit status"
	is "$(wc -l <err)" 1 "$name: one line"
	like "$(<err)" "^bpfahead-gen: $regex" "$name: says why"
}
