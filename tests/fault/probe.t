#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# probe on kernels that lack something: what it is, what follows, and the exit status. The kernels
# are this one with other names in its BTF, or without a mount.
# shellcheck source=tests/lib.sh disable=SC2016
. "$(dirname "$0")/../lib.sh"
need jq perl bpftool unshare
btf=/sys/kernel/btf/vmlinux

# probe_with FILE PLACE: probe where FILE is mounted over PLACE; sets STATUS.
probe_with() {
	unshare --mount --propagation private bash -c \
		'mount --bind "$1" "$2" && shift 2 && exec "$@"' - "$1" "$2" "$BPFAHEAD" probe --json \
		>"$T/json" 2>"$T/err"
	STATUS=$?
}
# of CAPABILITY KEY
of() { jq -r --arg name "$1" '.capabilities[] | select(.name == $name) | .'"$2" "$T/json"; }

# without NAME...: a BTF in which these names end in another letter.
without() {
	names=$(printf '%s\n' "$@") perl -0777 -pe 'for my $name (split(/\n/, $ENV{names})) {
		my $other = substr($name, 0, -1) . "~";
		s/\0$name\0/\0$other\0/g }' "$btf" >"$T/btf"
}
readahead=(btf_trace_page_cache_sync_ra btf_trace_page_cache_async_ra btf_trace_page_cache_ra_order)

# --- this kernel ---
"$BPFAHEAD" probe --json >"$T/json"
is $? 0 'this kernel has what is required'
is "$(jq '[.capabilities[] | select((.found == "") or (.consequence == "") or (.without == ""))] | length' \
	"$T/json")" 0 'every capability says what was found, what follows, and what would be lost'
is "$(jq -r '.capabilities[].name' "$T/json" | sort | uniq -d)" '' 'no capability twice'
bpftool prog show >"$T/programs"
is "$(grep -c trial "$T/programs")" 0 'no program that was tried is left'
fentry=$(of 'readahead fentry' offered)

# --- one thing lacks ---
without "${readahead[@]}"
probe_with "$T/btf" $btf
is $STATUS 0 'no readahead tracepoints: exit status 0'
is "$(of 'readahead tracepoints' found)" absent 'no readahead tracepoints: absent'
is "$(jq -r '.commands[]' "$T/json" | grep -c ra_tp)" 0 'no readahead tracepoints: no command loads them'
is "$(jq -r '.commands[]' "$T/json" | grep -c ra_fentry.bpf.o)" "$([ "$fentry" = true ] && echo 1 || echo 0)" \
	'no readahead tracepoints: fentry is used where it works'
without "${readahead[@]}" page_cache_sync_ra page_cache_async_ra page_cache_ra_order
probe_with "$T/btf" $btf
is $STATUS 0 'no readahead layer: exit status 0'
like "$(of 'readahead fentry' consequence)" 'block layer only' 'no readahead layer: what follows'

without btf_trace_block_rq_complete bpf_iter_task_file
probe_with "$T/btf" $btf
is "$STATUS $(of block_rq_complete found)" '0 absent' 'no block_rq_complete'
like "$(of block_rq_complete consequence)" 'refused' 'no block_rq_complete: what follows'
is "$(of iter/task_file found)" absent 'no iter/task_file'

without btf_trace_block_bio_queue
probe_with "$T/btf" $btf
is "$STATUS $(of block_bio_queue found)" '5 absent' 'no block_bio_queue: exit status 5'
like "$(<"$T/err")" 'block_bio_queue is lacking: nothing can be loaded' 'no block_bio_queue: says so'

: >"$T/empty"
probe_with "$T/empty" $btf
is "$STATUS $(of BTF offered)" '5 false' 'no BTF: exit status 5'
mkdir "$T/directory"
probe_with "$T/directory" /sys/fs/bpf
is "$STATUS $(of 'bpf file system' found)" '5 absent' 'no bpf file system: exit status 5'

# --- tried, not read: the name is there, and is not that of a tracepoint ---
name=btf_trace_block_bio_queue
other=$(bpftool btf dump file $btf | sed -n "s/^\[[0-9]*\] TYPEDEF '\([^']*\)'.*/\1/p" |
	awk -v n=${#name} 'length($0) == n && !/^btf_trace_/ { print; exit }')
if [ -n "$other" ]; then
	without "$name"
	perl -0777 -pi -e "s/\\0$other\\0/\\0$name\\0/g" "$T/btf"
	probe_with "$T/btf" $btf
	is "$STATUS $(of block_bio_queue offered)" '5 false' 'a name alone is not a tracepoint'
	like "$(of block_bio_queue found)" . "and the kernel's reason is told"
else
	skip 'a name alone is not a tracepoint' "no other type whose name has ${#name} letters"
fi

# --- lockdown, as the kernel tells it ---
mkdir "$T/security"
echo 'none integrity [confidentiality]' >"$T/security/lockdown"
probe_with "$T/security" /sys/kernel/security
is "$STATUS $(of lockdown found)" '0 confidentiality' 'lockdown is told'

# --- compared with a table of docs/kernels.md's form ---
"$BPFAHEAD" probe --json >"$T/json"
export KERNELS_MD=$T/kernels.md BPFAHEAD
{
	echo '| capability | other | here | what is lost without it |'
	echo '|---|---|---|---|'
	jq -r '.capabilities[] | "| `\(.name)` | - | \(.found) | \(.without) |"' "$T/json"
} >"$T/table"
# checked NAME STATUS REGEX: what check says of $T/kernels.md.
checked() {
	local got
	got=$("$TOP/tests/vm/kernels.sh" check here 2>&1)
	is $? "$2" "$1: status $2"
	like "$got" "$3" "$1: says so"
}
cp "$T/table" "$KERNELS_MD"
checked 'a table as this kernel is' 0 'as .* records'
sed 's/^\(| `ring buffer` | - |\) [^|]*/\1 absent /' "$T/table" >"$KERNELS_MD"
checked 'a cell that is not so' 1 'ring buffer: recorded absent; this kernel: yes'
grep -v '`iter/task_file`' "$T/table" >"$KERNELS_MD"
checked 'a line too few' 1 'iter/task_file: not recorded'
{ cat "$T/table" && echo '| `flux` | - | yes | - |'; } >"$KERNELS_MD"
checked 'a line too many' 1 'flux: recorded yes; probe does not say'
sed '1s/here/there/' "$T/table" >"$KERNELS_MD"
checked 'no such column' 1 'no column here'
done_testing
