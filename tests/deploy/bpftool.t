#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Deployment with bpftool alone, by the very commands that `bpfahead probe` prints, and only
# bpfaheadd running; then a retrained model the same way while I/O runs.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/holders.sh
. "$(dirname "$0")/../holders.sh"
need fio jq dd bpftool xxd
cd "$TOP" || exit 1
PATH=$TOP/build:$PATH
pin=$BPFAHEAD_PIN_DIR

# hex TEXT LENGTH: NUL-padded, as bpftool wants bytes.
hex() { { printf '%s' "$1" && head -c $(($2 - ${#1})) /dev/zero; } | xxd -p -c 1 | tr '\n' ' '; }
le32() { printf '%02x %02x %02x %02x ' $(($1 & 255)) $(($1 >> 8 & 255)) $(($1 >> 16 & 255)) $(($1 >> 24 & 255)); }
zeros() { head -c "$1" /dev/zero | xxd -p -c 1 | tr '\n' ' '; }

# Only the loop device, by raw map updates: struct config and the map `listed` of bpf/abi.h.
list_only() {
	# shellcheck disable=SC2046 # bytes are words
	bpftool map update pinned "$pin/config" key 0 0 0 0 value hex \
		$(le32 1) $(le32 2) $(zeros 60) $(le32 1) $(zeros 40) &&
		bpftool map update pinned "$pin/listed" key hex $(hex "$BDI" 32) \
			value hex $(le32 1)
}

# deploy BPFTOOL EXTRA: runs what probe prints; EXTRA is added to each loadall.
deploy() {
	local command
	while IFS= read -r command; do
		case $command in
		bpfaheadd*) continue ;;
		bpfahead*attach) [ -z "$2" ] || continue ;;
		'bpftool prog loadall'*) command+=" $2" ;;
		esac
		command=${command/#bpftool/$1}
		if ! (eval "$command") >"$T/out" 2>&1; then
			diag "failed: $command" "$(tail -5 "$T/out")"
			return 1
		fi
	done < <("$BPFAHEAD" probe --json | jq -r '.commands[]')
}

# The names of all processes that work on this test's pins, this shell's own left out.
ours() {
	local dir
	for dir in /proc/[0-9]*; do
		grep -zqxF "BPFAHEAD_PIN_DIR=$pin" "$dir/environ" 2>/dev/null || continue
		case $(readlink "$dir/exe") in */bpfahead*) cat "$dir/comm" ;; esac
	done
}

commands=$("$BPFAHEAD" probe --json | jq -r '.commands[]')
like "$commands" 'bpftool prog loadall .*readahead.bpf.o' 'probe prints the commands'
random_disk 192
need_holders

# try WHAT BPFTOOL EXTRA
try() {
	ok "$1: the commands of probe load everything" deploy "$2" "$3"
	ok "$1: configuration by bpftool" list_only
	ok "$1: the helper starts" start_helper
	is "$(ours | sort | paste -sd' ')" 'bpfahead-files bpfaheadd' \
		"$1: no other process of ours runs but the helper's for open files"
	start_hold "open-before-$1"
	random_load
	ok "$1: mmap random load is decided upon" wait_for 15 settled 192
	ID=$(bdi_id)
	ok "$1: a file that was open before has the value, too" files_have "$(read_kb)" \
		"open-before-$1"
}

try attach bpftool ''

# --- a retrained model, while I/O runs ---
before=$(status_json | jq -r .model.checksum)
retrained=$T/retrained.bin
train_again() {
	"$BPFAHEAD_GEN" train weights/data/default.csv.gz -o "$retrained" --name retrained --generation 2 \
		--seed 7 --epochs 30 >"$T/train.log" 2>&1
}
ok 'the default model is trained again, with another seed' train_again
diag "$(tail -1 "$T/train.log")"
replace_model() {
	local bytes
	bytes=$("$BPFAHEAD_GEN" info --hex "$retrained") || return 1
	# shellcheck disable=SC2086 # bytes are words
	bpftool map create "$pin/model2" type array key 4 value "$(wc -w <<<"$bytes")" entries 1 \
		name model2 &&
		bpftool map update pinned "$pin/model2" key 0 0 0 0 value hex $bytes &&
		bpftool map freeze pinned "$pin/model2" &&
		bpftool map update pinned "$pin/models" key 0 0 0 0 value pinned "$pin/model2"
}
ok 'a retrained model goes in while I/O runs' replace_model
after=$(status_json | jq -r .model.checksum)
ok "the acting model is another one ($before, then $after)" test "$before" != "$after"
lines=$(wc -l <"$T/run.err")
ok 'the value stays' stays "$(read_kb)" 5
is "$(status_json | jq -r --arg n "$BDI" '.devices[] | select(.bdi == $n) | .model_fault')" null \
	'the new model is evaluated without fault'
diag "lines of the helper meanwhile: $(($(wc -l <"$T/run.err") - lines))"

# --- what tells files apart, beside it, the same way ---
per_file() {
	local command
	while IFS= read -r command; do
		(eval "$command") >"$T/out" 2>&1 || {
			diag "failed: $command" "$(tail -5 "$T/out")"
			return 1
		}
	done < <("$BPFAHEAD" probe --json | jq -r '.per_file_commands[]')
}
admitted() { [ "$(status_json | jq .file_counters.admitted)" -gt 0 ]; }
ok 'the commands for values per file load them, too' per_file
ok 'files are watched' wait_for 10 admitted
ok 'and taken away by config' "$BPFAHEAD" config per-file=off
ok 'with all that is theirs' test ! -e "$pin/files" -a ! -e "$pin/progs/per_file"

stop_run TERM
stop_load
is "$RUN_STATUS" 0 'the helper ends with status 0'
is "$(read_kb)" 192 'the original is back'
ok 'unload' quietly "$BPFAHEAD" unload
is "$(find "$pin" -mindepth 1 2>/dev/null)" '' 'no pin is left'

# --- autoattach: bpftool 7.2 or newer, bpfahead not needed at all ---
newer=
at_least_7_2() { "$1" version 2>/dev/null | awk '/^bpftool v/ { split(substr($2, 2), v, "."); exit !(v[1] > 7 || (v[1] == 7 && v[2] >= 2)) } END { if (!NR) exit 1 }'; }
for candidate in "${BPFTOOL:-}" bpftool /usr/local/sbin/bpftool build/bpftool/bpftool; do
	[ -z "$candidate" ] || ! command -v "$candidate" >/dev/null || ! at_least_7_2 "$candidate" || {
		newer=$(command -v "$candidate")
		break
	}
done
source=$(find /usr/src -maxdepth 1 -name 'linux-source-6.1[2-9]*.tar.*' | head -1)
if [ -z "$newer" ] && [ "${BPFTOOL_BUILD:-0}" = 1 ] && [ -n "$source" ]; then
	mkdir -p "$T/linux"
	tar -C "$T/linux" --strip-components=1 --wildcards -xf "$source" '*/tools' '*/kernel/bpf' \
		'*/include' '*/scripts' '*/Makefile' || die "unpacking $source"
	make -s -C "$T/linux/tools/bpf/bpftool" OUTPUT="$T/linux/" >"$T/make.log" 2>&1 ||
		diag "$(tail -3 "$T/make.log")"
	[ ! -x "$T/linux/bpftool" ] || newer=$T/linux/bpftool
fi
if [ -n "$newer" ]; then
	set_kb 192
	try autoattach "$newer" autoattach
	stop_run TERM
	is "$(read_kb)" 192 'autoattach: the original is back'
	ok 'autoattach: unload' quietly "$BPFAHEAD" unload
else
	skip autoattach "no bpftool 7.2 or newer here (BPFTOOL_BUILD=1 builds one from Debian's package linux-source-6.12)"
fi
[ $tests_failed = 0 ] || diag "$(cat "$T/run.log" "$T/run.err")"
done_testing
