#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# splats.sh [FILE...] - find what a kernel prints when something is wrong with it, in its log as
# dmesg or a serial console shows it: WARN, BUG, oopses, panics, lockdep, RCU stalls, lockups, hung
# tasks. Prints the lines with their numbers and exits with 1 if there are any, with 2 if a log
# cannot be read. tests/unit/splats.t holds what is found, and what is not.
set -uo pipefail

for file; do
	[ -r "$file" ] || {
		echo "splats.sh: $file cannot be read" >&2
		exit 2
	}
done

# A message starts after its time stamp, "[    1.234567] " or "[ 1.2][ T42] ", and maybe the name of
# who speaks, in one word. "WARNING: " further on is advice, as in "Spectre V2 : WARNING: ...".
start='^(<[0-9]+>)?(\[ *[0-9]+\.[0-9]+\] *)?(\[ *[TC][0-9]+\] *)?'
speaker="$start([A-Za-z0-9_ ]+: )?"
patterns=(
	# kernel/panic.c, lib/bug.c; lib/dump_stack.c and arch/*/kernel: whatever shows its stack
	'-\[ (cut here|end trace|end Kernel panic)'
	"${start}WARNING: "
	'[Kk]ernel BUG at '
	'Kernel panic - '
	"${start}Call [Tt]race:"
	# "BUG: ..." of many; "DEBUG: " is none. mm/slub.c: "BUG kmalloc-64 (Not tainted): ..."
	'\bBUG: '
	"${start}BUG [^ ]+ \\("
	# arch/*: die(), of which up to 6.9 "Oops: " was only one name: "divide error: 0000 [#1] SMP"
	': [0-9a-f]{4,16} \[#[0-9]+\]'
	"${start}Oops: "
	"${start}Internal error: "
	"${start}general protection fault"
	"${start}Unable to handle kernel "
	'PANIC: (double fault|early exception)'
	'Corrupted page table at address'
	'Thread overran stack'
	'Fixing recursive fault'
	'kernel tried to execute NX-protected page'
	# arch/arm64/kernel/traps.c
	'Unhandled .* exception on CPU|Bad mode in .* handler detected'
	'Insufficient stack space to handle exception'
	'SError Interrupt on CPU'
	# sanitizers and sanity checks, where they do not say BUG or WARNING
	'\b(UBSAN|KASAN|KCSAN|KMSAN|KFENCE): '
	'refcount_t: '
	'\blist_(add|del) corruption'
	'DEBUG_LOCKS_WARN_ON'
	'kmemleak: [0-9]+ new suspected'
	'Kernel memory (exposure|overwrite) attempt detected'
	'cannot create duplicate filename'
	'Busy inodes after unmount'
	'waiting for .* to become free. Usage count'
	# kernel/locking/lockdep.c
	"${speaker}INFO: (possible|trying to register non-static key|lockdep is turned off)"
	# kernel/rcu: tree_stall.h, tree_exp.h, tasks.h
	"${speaker}INFO: [a-z_]+ (self-)?detected (expedited )?stall"
	'rcu.* kthread (starved|timer wakeup)'
	# kernel/watchdog.c, hung_task.c, workqueue.c, smp.c, softirq.c, irq/spurious.c
	'hard LOCKUP on cpu'
	"${speaker}INFO: task .* blocked for more than"
	'workqueue lockup'
	'non-responsive CSD lock'
	'huh, entered softirq'
	'\birq [0-9]+: nobody cared'
)
pattern=$(IFS='|' && echo "${patterns[*]}")
# Bytes: a console has stray ones, for which grep would take it as binary.
! LC_ALL=C grep -anE -- "$pattern" "${@:--}"
