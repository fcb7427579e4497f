#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# On a distribution it does not know, deps.sh prints what is needed and stops.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
need unshare

release=$(readlink -f /etc/os-release)
printf 'ID=plan9\n' >"$T/os-release"
# shellcheck disable=SC2016 # expanded by the inner shell
unshare -m bash -c 'mount --bind "$1" "$2" && exec "$3" run' - \
	"$T/os-release" "$release" "$TOP/tests/deps.sh" >"$T/out" 2>&1
is $? 1 'exit status 1'
ok 'it names the distribution' grep -q "'plan9'" "$T/out"
for package in gcc clang libbpf-dev bpftool; do
	ok "it lists $package" grep -qE "^ *$package$" "$T/out"
done
ok 'nothing is installed' test "$(grep -c 'Reading package lists' "$T/out")" = 0
done_testing
