#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# splats.sh [FILE...] - find what a kernel prints when something is wrong with it, in its log:
# WARN, BUG, oopses, panics, lockdep, RCU stalls, lockups, hung tasks. Prints the lines with their
# numbers and exits with 1 if there are any.
set -uo pipefail

# A message starts after its time stamp, "[    1.234567] " or "[ 1.2][ T42] "; "WARNING:" within a
# message is advice (as of "Spectre V2 : WARNING: ...").
start='^(<[0-9]+>)?(\[ *[0-9]+\.[0-9]+\] *)?(\[ *[TC][0-9]+\] *)?'
patterns=(
	"${start}WARNING: "
	'BUG: '
	'kernel BUG at '
	'Oops: '
	'Kernel panic - '
	'general protection fault'
	'Unable to handle kernel '
	'Internal error: '
	'double fault: '
	'stack guard page was hit'
	'(UBSAN|KASAN|KCSAN|KFENCE): '
	'refcount_t: '
	'list_(add|del) corruption'
	'DEBUG_LOCKS_WARN_ON'
	'possible (circular|recursive|irq lock inversion|irq-unsafe)'
	'inconsistent lock state'
	'suspicious RCU usage'
	'bad unlock balance'
	'held lock freed'
	'INFO: (rcu_[a-z]+|possible|task .* blocked for more than|trying to register non-static key)'
	'rcu_[a-z_]+ (detected|self-detected|kthread starved|detected expedited stall)'
	'rcu: .*(stall|starved)'
	'workqueue lockup'
	'(soft|hard) (lockup|LOCKUP)'
	'scheduling while atomic'
	'sleeping function called from invalid context'
	'Bad (page|rss-counter) state'
	'cannot create duplicate filename'
	"${start}Call [Tt]race:"
)
pattern=$(IFS='|' && echo "${patterns[*]}")
! grep -nE -- "$pattern" "${@:--}"
