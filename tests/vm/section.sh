#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# section.sh FILE NAME - put what stands on standard input between the lines `<!-- NAME: ... -->`
# and `<!-- end of NAME -->` of a document, in place of what was there.
set -euo pipefail
file=$1 name=$2
trap 'rm -f "$file.part"' EXIT
text=$(cat) awk -v name="$name" '
	index($0, "<!-- end of " name " -->") { inside = 0; ends++ }
	!inside
	index($0, "<!-- " name ":") == 1 { print ENVIRON["text"]; inside = 1; begins++ }
	END { exit begins != 1 || ends != 1 }' "$file" >"$file.part" || {
	echo "section.sh: no section '$name' in $file" >&2
	exit 1
}
mv "$file.part" "$file"
