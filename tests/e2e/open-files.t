#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Files that are open already get the new value, whoever has them; what a program or the
# administrator asked for stays. What a file has is read from the kernel's struct file.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/holders.sh
. "$(dirname "$0")/../holders.sh"
need fio jq dd unshare

make_loop 1152
make_fs "$LOOP" ext4
fill_file "$MNT/data" 1024
need_throttle 24000000 1500
need_holders
set_kb 128

everybody=(plain user namespaces forked passed named grouped)
others=(plain user namespaces forked passed)
start_hold plain
start_hold user --uid 65534
# What other tests have mounted is not kept mounted by a copy of it: they set the same disk up again.
# shellcheck disable=SC2016 # for the inner shell
start_hold namespaces -- unshare --pid --mount --fork --kill-child=KILL bash -c '
	awk -v ours="$0/" "\$5 ~ /\/bpfahead-test[.]/ && index(\$5, ours) != 1 { print \$5 }" /proc/self/mountinfo |
		xargs -r umount -l && exec "$@"' "$T"
start_hold forked --fork
start_hold passed --pass
# A thread with a table of its own: by pidfd_open(PIDFD_THREAD), since 6.9; 434 on every architecture.
if perl -e 'exit !(syscall(434, $$ + 0, 128) >= 0)'; then
	start_hold thread --thread
	everybody+=(thread) others+=(thread)
else
	skip 'the descriptor table of a thread' 'this kernel has no pidfd of a thread'
fi
start_hold named --comm 'holder one'
# A cgroup of version 2 and one below it, wherever the host has them.
group=
for root in /sys/fs/cgroup /sys/fs/cgroup/unified; do
	[ -f "$root/cgroup.controllers" ] || continue
	group=$root/bpfahead-open-$$
	mkdir "$group" "$group/below" || die "mkdir $group"
	cgroups+=("$group/below" "$group")
done
[ -n "$group" ] || die 'no cgroup of version 2 is mounted'
# shellcheck disable=SC2016 # for the inner shell
start_hold grouped -- bash -c 'echo $$ >"$0/cgroup.procs" && exec "$@"' "$group/below"

start_hold random --advice random
start_hold sequential --advice sequential
start_hold noreuse --advice noreuse
start_hold mapped --map
"$hold" "$LOOP" >"$T/hold.device" &
pids+=($!)
wait_for 10 grep -qs ready "$T/hold.device"
device_has() {
	[ "$("$list_files" "$BPFAHEAD_PIN_DIR" "$ID" |
		awk -v dev="$BDI" '$6 == dev { print $3 }' | sort -u)" = "$1" ]
}

# A file of overlayfs: the one behind it is read, and has a readahead of its own.
mkdir "$MNT/lower" "$MNT/upper" "$MNT/work" "$T/overlay"
echo below >"$MNT/lower/below"
if mount -t overlay overlay -o "lowerdir=$MNT/lower,upperdir=$MNT/upper,workdir=$MNT/work" \
	"$T/overlay"; then
	mounts+=("$T/overlay")
	"$hold" "$T/overlay/below" >"$T/hold.below" &
	pids+=($!)
	wait_for 10 grep -qs ready "$T/hold.below"
fi

start_run
as_told
forget "$MNT/data"
start_load mmap-random "$MNT/data"
ok 'the value is ours' wait_for 15 settled 128
ID=$(bdi_id)
ours=$(read_kb)
ok "open files have it: ${everybody[*]} ($ours KB)" files_have "$ours" "${everybody[@]}"
ok 'the node of the device has it' wait_for 3 device_has "$ours"
if [ -f "$T/hold.below" ]; then
	# Its inode is that of the lower layer; before 6.2 nobody can look behind it.
	if [ -z "$(kb_of_file lower/below)" ]; then
		skip 'a file of overlayfs' 'this kernel has no bpf_rdonly_cast()'
	else
		ok 'a file of overlayfs has it' files_have "$ours" lower/below
	fi
else
	skip 'a file of overlayfs' 'this kernel has no overlayfs'
fi
is "$(kb_of_file random)" 128 'POSIX_FADV_RANDOM is left alone'
is "$(kb_of_file sequential)" 256 'POSIX_FADV_SEQUENTIAL is left alone'
# The flag is there since 6.3; before, the advice is forgotten at once.
case $(uname -r) in
6.[0-2].*) is "$(kb_of_file noreuse)" "$ours" 'POSIX_FADV_NOREUSE is nothing on this kernel' ;;
*) is "$(kb_of_file noreuse)" 128 'POSIX_FADV_NOREUSE is left alone' ;;
esac

count() { status_json | jq -r --arg n "$BDI" ".devices[] | select(.bdi == \$n) | .open_files.$1"; }
ok 'status counts what was re-armed' test "$(count rearmed)" -ge ${#everybody[@]}
ok 'status counts POSIX_FADV_RANDOM' test "$(count random)" -ge 1
ok 'status counts POSIX_FADV_SEQUENTIAL' test "$(count sequential)" -ge 1
is "$(status_json | jq -r .open_files.state)" on 'status says that they follow'
"$BPFAHEAD" status --open-files --json >"$T/census"
now() { jq -r --arg n "$BDI" ".devices[] | select(.bdi == \$n) | .$1" "$T/census"; }
is "$(now open_files_now.stale)" 0 'a look by status: none is stale'
is "$(now mapped_files_now.stale)" 1 'a look by status: but the mapping without a descriptor'
like "$("$BPFAHEAD" status --open-files)" 'files only mapped, stale' 'and in words'

ok 'another change' set_row 60
ok 'open files have that, too' files_have 60 "${everybody[@]}"
ok 'a larger one' set_row 2044
ok 'and that' files_have 2044 "${everybody[@]}"

# --- excluded ---
ok 'exclude-comm' "$BPFAHEAD" config 'exclude-comm=holder one'
ok 'exclude-cgroup' "$BPFAHEAD" config "exclude-cgroup=$group"
like "$("$BPFAHEAD" config)" "exclude-comm +holder one" 'config shows the name'
is "$("$BPFAHEAD" config --json | jq -c '[."exclude-comm", ."exclude-cgroup"]')" \
	"[[\"holder one\"],[\"$group\"]]" 'and, as JSON, both'
ok 'a change' set_row 60
ok 'the others have it' files_have 60 "${others[@]}"
is "$(kb_of_file named)" 2044 'the process excluded by its name keeps what it had'
is "$(kb_of_file grouped)" 2044 'so does the one in a cgroup below the excluded one'
ok 'status counts them' test "$(count excluded)" -ge 2
ok 'include-comm' "$BPFAHEAD" config 'include-comm=holder one'
ok 'include-cgroup' "$BPFAHEAD" config "include-cgroup=$group"
ok 'a change' set_row 252
ok 'all have it' files_have 252 "${everybody[@]}"
for bad in exclude-comm=a-name-that-is-too-long exclude-cgroup=relative exclude-cgroup=/tmp \
	exclude-cgroup=/sys/fs/cgroup/nothing include-comm=nobody "include-cgroup=$group"; do
	"$BPFAHEAD" config "$bad" cap=64 >"$T/out" 2>&1
	ok "$bad is refused, in one line, and nothing is set" \
		test $? != 0 -a "$(wc -l <"$T/out")" = 1 -a "$("$BPFAHEAD" config --json | jq .cap)" = 8192
done

# --- off ---
ok 'switched off' "$BPFAHEAD" config open-files=off
ok 'a change' set_row 60
nap 1
is "$(kb_of_file plain)" 252 'open files keep what they had'
"$BPFAHEAD" config open-files=on 2>"$T/said"
is "$?:$(<"$T/said")" 0: 'switched on, and run follows at once'
ok 'a change' set_row 124
ok 'open files have it' files_have 124 "${everybody[@]}"

# --- a person's value ---
echo 96 >"$KB_FILE"
ok 'somebody sets 96 KB: open files lose ours' files_have 96 "${everybody[@]}"
ok 'resumed' wait_for 5 quietly "$BPFAHEAD" config "resume=$NAME"
ok 'and again a value of ours' wait_for 10 kb_is 124
ok 'open files have it' files_have 124 "${everybody[@]}"

# --- an emergency, by another process ---
ok 'emergency' quietly "$BPFAHEAD" config mode=emergency
is "$(read_kb)" 96 'the original is back'
ok 'and open files have it' files_have 96 "${everybody[@]}"
ok 'act again' quietly "$BPFAHEAD" config mode=act
ok 'a value of ours' wait_for 10 kb_is 124
ok 'open files have it' files_have 124 "${everybody[@]}"

stop_load
stop_run TERM
is "$RUN_STATUS" 0 'run ends with status 0'
is "$(read_kb)" 96 'the original is back'
ok 'loaded again, to look' quietly "$BPFAHEAD" load
ok 'and open files have it' files_have 96 "${everybody[@]}"
ok 'unloaded' quietly "$BPFAHEAD" unload

# --- an original and a row of which none is half of another: powers of two are written ---
set_kb 4096
start_hold even
start_hold even-sequential --advice sequential
start_run
as_told
start_load mmap-random "$MNT/data"
ok 'another original: the value is ours' wait_for 15 settled 4096
# what_reads KB WRITTEN: a number for what reads here, beside 16 and 1024 for others.
what_reads() {
	"$BPFAHEAD" config policy."$NAME".{random,objects,pages,mixed}="$1" \
		policy."$NAME".{sequential,small-files}=1024 \
		policy."$NAME".{long-runs,short-runs}=16 && wait_for 15 kb_is "$2"
}
ok '64 KB as it is' what_reads 64 64
ok 'an open file has it' files_have 64 even
start_hold seldom
start_hold sequential-at-64 --advice sequential
is "$(kb_of_file sequential-at-64)" 128 'POSIX_FADV_SEQUENTIAL: twice that'
ok '256 KB as it is' what_reads 256 256
ok 'open files have it' files_have 256 even seldom
start_hold sequential-at-256 --advice sequential
ok '512 KB, half of another one, lose a page' what_reads 512 508
ok 'open files have it' files_have 508 even seldom
ok '128 KB, twice what was there, lose a page' what_reads 128 124
ok 'open files have it' files_have 124 even seldom
ok '64 KB again' what_reads 64 64
ok 'open files have it' files_have 64 even seldom
is "$(for file in even-sequential sequential-at-64 sequential-at-256; do kb_of_file $file; done | xargs)" \
	'8192 128 512' 'POSIX_FADV_SEQUENTIAL was left alone all the while'
ok 'status counts it' test "$(count sequential)" -ge 3
is "$(count ambiguous)" 0 'and nothing was ambiguous'
stop_load
stop_run TERM
is "$(read_kb)" 4096 'the original is back'
ok 'loaded again, to look' quietly "$BPFAHEAD" load
ok 'and open files have it' files_have 4096 even seldom
is "$(kb_of_file sequential-at-64)" 128 'but not that of POSIX_FADV_SEQUENTIAL'
ok 'unloaded' quietly "$BPFAHEAD" unload

# --- values of an administrator that are half of ours, or of each other: whose a file's is, nobody knows ---
start_run
as_told
forget "$MNT/data"
start_load mmap-random "$MNT/data"
ok 'a new start: the value is ours' wait_for 15 settled 4096
ok '256 KB' what_reads 256 256
# The reader's own file, two that are only held, and one that asked for twice 128 KB long ago.
doubtful=(data even seldom sequential)
ok 'open files have it' files_have 256 "${doubtful[@]}"
ok 'switched off' "$BPFAHEAD" config open-files=off
ok 'a change: 508 KB' what_reads 512 508
start_hold plain-508
ok 'switched on' "$BPFAHEAD" config open-files=on
is "$(count ambiguous)" 0 'nothing is ambiguous'
echo 128 >"$KB_FILE"
ok 'somebody sets 128 KB: a file with 508 KB of ours loses it' files_have 128 plain-508
counted() { [ "$(count ambiguous)" -ge "$1" ]; }
ok 'those with 256 KB, twice that, count as ambiguous' wait_for 3 counted ${#doubtful[@]}
ok 'and keep it' files_have 256 "${doubtful[@]}"
start_hold sequential-at-128 --advice sequential
doubtful+=(sequential-at-128)
ok 'which is what POSIX_FADV_SEQUENTIAL leaves' files_have 256 sequential-at-128
"$BPFAHEAD" status --open-files --json >"$T/census"
is "$(now open_files_now.ambiguous) $(now open_files_now.stale)" "${#doubtful[@]} 0" \
	'a look by status: all of these are ambiguous, none is stale'

resume() { quietly "$BPFAHEAD" config "resume=$NAME" && wait_for 10 kb_is 508; }
ok 'resumed: a value of ours' wait_for 5 resume
ok 'the open file has it' files_have 508 plain-508
echo 192 >"$KB_FILE"
ok 'somebody sets 192 KB: the open file has it' files_have 192 plain-508
ok 'resumed: a value of ours' wait_for 5 resume
ok 'the open file has it' files_have 508 plain-508
echo 96 >"$KB_FILE"
ok 'and half of those, 96 KB: the open file has it' files_have 96 plain-508
start_hold sequential-at-96 --advice sequential
start_hold plain-96
ok 'POSIX_FADV_SEQUENTIAL: 192 KB again' files_have 192 sequential-at-96
before=$(count ambiguous)
ok 'resumed: a value of ours' wait_for 5 resume
ok 'files with 96 KB have it' files_have 508 plain-508 plain-96
ok 'that with 192 KB counts as ambiguous, too' wait_for 3 counted $((before + ${#doubtful[@]} + 1))
ok 'and keeps it' files_have 192 sequential-at-96
ok 'as do the others' files_have 256 "${doubtful[@]}"
stop_load
stop_run TERM
is "$(read_kb)" 96 'the value that was found at resume is back'
[ $tests_failed = 0 ] || diag "$(cat "$T/run.log" "$T/run.err")"
done_testing
