#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The units as `make install` leaves them: systemd understands every line, what they start and what
# they name is installed, and a mistake in them is told. None of them is started.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
need systemd-analyze make

prefix=$T/usr
units=$prefix/lib/systemd/system
make -s -C "$TOP" -o all install PREFIX="$prefix" >"$T/install.log" 2>&1 ||
	die "make install: $(tail -1 "$T/install.log")"

# verify DIRECTORY: what systemd has to say of the units in it, beside those of the distribution.
# Its exit status is 0 where it ignores what it does not understand: it is silence that counts.
verify() {
	(cd "$1" && SYSTEMD_UNIT_PATH=$1: systemd-analyze verify --man=no -- *.service) >"$T/verify" 2>&1
	local status=$?
	[ "$status" = 0 ] && [ ! -s "$T/verify" ]
}

is "$(cd "$units" && echo *)" 'bpfahead.service bpfaheadd.service' 'the units are installed'
ok 'systemd has nothing to say of them' verify "$units" || diag "$(<"$T/verify")"
is "$(grep -l @ "$units"/*)" '' 'no placeholder is left in them'
while IFS='()' read -r page section; do
	ok "man:$page($section) is installed" test -s "$prefix/share/man/man$section/$page.$section"
done < <(sed -n 's/^Documentation=man://p' "$units"/*)
programs=$(sed -nE 's/^Exec[A-Za-z]*=([^ ]+).*/\1/p' "$units"/* | sort -u)
is "$programs" "$prefix/sbin/bpfahead"$'\n'"$prefix/sbin/bpfaheadd" 'they start what was installed with them'
# Each command as it stands there, with a last word that makes it end.
while read -r command; do
	# shellcheck disable=SC2086 # words
	ok "a command that exists: ${command#"$prefix"/}" quietly $command --help
done < <(sed -nE 's/^Exec[A-Za-z]*=//p' "$units"/*)

# told WHAT REGEX SED-SCRIPT: with that done to the units, verify fails and says why.
told() {
	rm -rf "$T/wrong"
	cp -r "$units" "$T/wrong"
	sed -i "$3" "$T/wrong"/*
	ok "$1 is an error" eval "! verify $T/wrong"
	like "$(<"$T/verify")" "$2" 'and told'
}
told 'an unknown key' "Unknown key .*'ProtectClok'" s/^ProtectClock/ProtectClok/
told 'a value that is none' 'Failed to parse' s/^ProtectClock=yes/ProtectClock=sometimes/
told 'a unit that is not there' 'bpfahea.service not found' s/^Requires=bpfahead.service/Requires=bpfahea.service/
told 'a program that is not there' 'not executable' s,/sbin/bpfaheadd,/sbin/bpfaheadx,
done_testing
