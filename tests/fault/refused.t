#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# What cannot work gets one clear line and its exit status, and changes nothing.
# shellcheck source=tests/lib.sh disable=SC2016
. "$(dirname "$0")/../lib.sh"
need dd jq setpriv unshare perl

# refuses NAME STATUS REGEX COMMAND...: one line on stderr that matches, nothing on stdout.
refuses() {
	local name=$1 status=$2 regex=$3 got
	shift 3
	timeout 20 "$@" >"$T/out" 2>"$T/err" </dev/null
	got=$?
	is $got "$status" "$name: exit status $status"
	is "$(wc -l <"$T/err")" 1 "$name: one line"
	like "$(<"$T/err")" "$regex" "$name: says why"
	is "$(<"$T/out")" '' "$name: nothing on standard output"
	is "$(read_kb)" 256 "$name: readahead is untouched"
	[ "$got" = "$status" ] || diag "$(cat "$T/out" "$T/err")"
}
in_mount_namespace=(unshare --mount --propagation private bash -ec)

chmod 755 "$T"
make_loop 16
set_kb 256
install -m 755 "$BPFAHEAD" "$BPFAHEADD" "$BPFAHEAD_GEN" "$T/"
run=("$T/bpfahead" run --device "$NAME")
nobody=(setpriv --reuid 65534 --regid 65534 --clear-groups --inh-caps=-all)

# --- who and where ---
for command in 'run --device loop0' load unload status restore config 'weights show' \
	'record --label x -o /dev/null' attach; do
	# shellcheck disable=SC2086 # options are words
	refuses "no root: $command" 1 'root' "${nobody[@]}" "$T/bpfahead" $command
done

for command in status config 'weights show' 'record --label x -o /dev/null' attach; do
	# shellcheck disable=SC2086
	refuses "nothing loaded: $command" 3 'nothing is loaded|no programs are pinned' "$T/bpfahead" $command
done
refuses 'nothing loaded: bpfaheadd' 3 'loaded|pinned' "$T/bpfaheadd"

: >"$T/empty"
refuses 'no BTF' 5 'BTF' "${in_mount_namespace[@]}" \
	'mount --bind "$1" /sys/kernel/btf/vmlinux; shift; exec "$@"' - "$T/empty" "${run[@]}"
mkdir -p "$T/emptydir"
refuses 'no BTF directory' 5 'BTF' "${in_mount_namespace[@]}" \
	'mount --bind "$1" /sys/kernel/btf; shift; exec "$@"' - "$T/emptydir" "${run[@]}"
refuses 'no bpf file system' 5 'bpf file system|bpffs|mount' "${in_mount_namespace[@]}" \
	'umount -l /sys/fs/bpf; exec "$@"' - "${run[@]}"
refuses 'a pin directory on another file system' 5 'bpf file system|bpffs|mount' \
	"${run[@]}" --pin-dir "$T/pins"

# --- what is typed ---
refuses 'no command' 2 'command' "$T/bpfahead"
refuses 'unknown command' 2 'frobnicate' "$T/bpfahead" frobnicate
refuses 'unknown option' 2 'frobnicate' "$T/bpfahead" run --frobnicate
refuses 'unknown device' 1 'nosuch0' "$T/bpfahead" run --device nosuch0
refuses 'unknown device number' 1 '7:99999' "$T/bpfahead" run --device 7:99999
refuses 'a device number with something behind it' 1 '7:0x' "$T/bpfahead" run --device 7:0x

# --- weights ---
good=$TOP/weights/default.bin
size=$(stat -c %s "$good")
head -c $((size - 8)) "$good" >"$T/truncated.bin"
head -c 100 "$good" >"$T/stub.bin"
cat "$good" "$good" >"$T/oversize.bin"
head -c 20000000 /dev/zero >"$T/huge.bin"
cp "$good" "$T/flipped.bin"
perl -e 'open(my $f, "+<", $ARGV[0]) or die; seek($f, $ARGV[1], 0); read($f, my $b, 1);
	seek($f, $ARGV[1], 0); print $f chr(ord($b) ^ 4); close($f)' "$T/flipped.bin" $((size - 100))
# poke FILE OFFSET PACKFORMAT VALUE: one header field.
poke() {
	cp "$good" "$1"
	perl -e 'open(my $f, "+<", $ARGV[0]) or die; seek($f, $ARGV[1], 0);
		print $f pack($ARGV[2], $ARGV[3]); close($f)' "$@"
}
poke "$T/magic.bin" 0 V 1
poke "$T/version.bin" 4 v 2
poke "$T/sources.bin" 12 V 128
declare -A why=([truncated]='.' [stub]='.' [oversize]='.' [huge]='.' [flipped]='checksum'
	[magic]='magic|not a model' [version]='version' [sources]='source' [none]='No such file')
for bad in truncated stub oversize huge flipped magic version sources none; do
	refuses "weights $bad: run" 6 "${why[$bad]}" "${run[@]}" --weights "$T/$bad.bin"
	refuses "weights $bad: verify" 6 "${why[$bad]}" \
		"$T/bpfahead" weights verify "$T/$bad.bin"
done

# A kernel that lacks the readahead tracepoints: the same BTF with their names changed. (fentry,
# the other form of that layer, must be refused too for this kernel to count as lacking it.)
perl -0777 -pe 's/btf_trace_page_cache_(sync_ra|async_ra|ra_order)\0/"btf_trace_page_cachX_$1\0"/ge;
	s/\0page_cache_(sync_ra|async_ra|ra_order)\0/"\0page_cachX_$1\0"/ge' \
	/sys/kernel/btf/vmlinux >"$T/btf"
if [ "$(stat -c %s "$T/btf")" = "$(wc -c </sys/kernel/btf/vmlinux)" ]; then
	refuses 'weights whose sources this kernel lacks' 5 'readahead' "${in_mount_namespace[@]}" \
		'mount --bind "$1" /sys/kernel/btf/vmlinux; shift; exec "$@"' - "$T/btf" \
		"${run[@]}" --weights "$good"
else
	result 1 'a changed BTF has the size of the original'
fi

# --- a model pushed into a running instance ---
start_run
sum=$(status_json | jq -r .model.checksum)
for bad in truncated oversize flipped version; do
	timeout 20 "$BPFAHEAD" weights push "$T/$bad.bin" >"$T/out" 2>"$T/err"
	is $? 6 "weights push $bad: exit status 6"
	is "$(status_json | jq -r .model.checksum)" "$sum" "weights push $bad: the model stays"
done

# --- settings that do not go together ---
declare -A clash=(['hop=3s']='does not fit hop' ['stretch=1s']='less than window' ['floor=128 cap=64']='above cap'
	['per-file=on open-files=off']='takes open-files=on' ['probe=on guard=off']='takes guard=on')
for bad in "${!clash[@]}"; do
	read -ra words <<<"$bad"
	refuses "config $bad" 2 "${clash[$bad]}" "$T/bpfahead" config "${words[@]}"
done

# --- one owner ---
refuses 'no root: bpfaheadd' 1 'root|permitted|denied' "${nobody[@]}" "$T/bpfaheadd"
refuses 'second run' 4 'in use|another|already' "${run[@]}"
refuses 'bpfaheadd beside a run' 4 'in use|another|already' "$T/bpfaheadd"
refuses 'load beside a run' 4 'in use|another|already|loaded' "$T/bpfahead" load
kill -0 "$RUN_PID"
is $? 0 'the first instance is still there'
stop_run TERM
is "$RUN_STATUS" 0 'and ends with status 0'
is "$(find "$BPFAHEAD_PIN_DIR" -mindepth 1 2>/dev/null)" '' 'no pin is left'
done_testing
