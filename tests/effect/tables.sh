#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# tables.sh - the generated part of docs/effect.md, and docs/effect-*.svg, from the file of cells.
set -euo pipefail
TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# shellcheck source=tests/effect/common.sh
. "$TOP/tests/effect/common.sh"

doc=${EFFECT_DOC:-$TOP/docs/effect.md}
T=$(mktemp -d)
trap 'rm -rf "$T"' EXIT
perl "$effect/tables.pl" "$cells" "$table" "$(for profile in cloud hdd fast network; do
	echo "$profile ${limits[$profile]}"
done)" "$react_s $react" "$T"
cp "$T"/effect-*.svg "$(dirname "$doc")"
# Between the two marks.
awk -v part="$T/effect-tables.md" '
	/^<!-- begin/ { print; while ((getline line <part) > 0) print line; skip = 1 }
	/^<!-- end/ { print ""; skip = 0 }
	!skip' "$doc" >"$T/doc"
cp "$T/doc" "$doc"
