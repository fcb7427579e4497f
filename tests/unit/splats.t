#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# tests/splats.sh finds whatever a kernel says when it is in trouble, by each of its headlines alone,
# and nothing in the log of a healthy one.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
T=$(mktemp -d "${TMPDIR:-/tmp}/bpfahead-test.XXXXXX") || die 'mktemp'
splats=$TOP/tests/splats.sh

# The log of a healthy kernel, 6.1 and 6.12 on amd64, 6.12 on arm64, with what else has looked like
# trouble to a hasty reader.
cat >"$T/clean" <<'END'
[    0.000000] Linux version 6.12.94+deb12-amd64 (debian-kernel@lists.debian.org) #1 SMP PREEMPT_DYNAMIC
[    0.000000] Command line: console=ttyS0 panic=-1 oops=panic tsc=reliable clocksource=tsc
[    0.000000] BIOS-e820: [mem 0x0000000000000000-0x000000000009fbff] usable
[    0.000000] Machine model: linux,dummy-virt
[    0.000000] [Firmware Bug]: Kernel image misaligned at boot, please fix your bootloader!
[    0.000000] efi: UEFI not found.
[    0.000000] DMI: QEMU Standard PC (i440FX + PIIX, 1996), BIOS 1.16.2-debian-1.16.2-1 04/01/2014
[    0.000000] kasan: KernelAddressSanitizer initialized (generic)
[    0.004515] AGP: No AGP bridge found
[    0.052024] ACPI: LAPIC_NMI (acpi_id[0xff] dfl dfl lint[0x1])
[    0.054046] PM: hibernation: Registered nosave memory: [mem 0x00000000-0x00000fff]
[    0.091922] mem auto-init: stack:all(zero), heap alloc:on, heap free:off
[    0.181633] ftrace: allocating 45261 entries in 180 pages
[    0.194282] Dynamic Preempt: voluntary
[    0.207263] rcu: Preemptible hierarchical RCU implementation.
[    0.207264] rcu: 	RCU CPU stall warnings timeout set to 60 (rcu_cpu_stall_timeout).
[    0.207265] rcu: 	RCU debug extended QS entry/exit.
[    0.207489] 	Trampoline variant of Tasks RCU enabled.
[    0.254944] rcu: srcu_init: Setting srcu_struct sizes based on contention.
[    0.263051] printk: legacy console [ttyS0] enabled
[    0.263052] printk: debug: ignoring loglevel setting.
[    0.263100] kfence: initialized - using 2097152 bytes for 255 objects at 0x(____ptrval____)-0x(____ptrval____)
[    0.300660] APIC: Switch to symmetric I/O mode setup
[    0.342378] Spectre V1 : Mitigation: usercopy/swapgs barriers and __user pointer sanitization
[    0.342400] Spectre V2 : WARNING: Unprivileged eBPF is enabled with eIBRS on, data leaks possible via Spectre v2 BHB attacks!
[    0.342784] Spectre V2 : Spectre v2 / SpectreRSB: Filling RSB on context switch and VMEXIT
[    0.343000] RETBleed: WARNING: Spectre v2 mitigation leaves CPU vulnerable to RETBleed attacks, data leaks possible!
[    0.343100] MDS: Vulnerable: Clear CPU buffers attempted, no microcode
[    0.520065] LSM support for eBPF active
[    0.677412] Performance Events: PMU not available due to virtualization, using software events only.
[    0.688909] NMI watchdog: Perf NMI watchdog permanently disabled
[    0.690000] NMI watchdog: Enabled. Permanently consumes one hw-PMU counter.
[    0.860567] x86/mm: Memory block size: 128MB
[    0.876199] pinctrl core: initialized pinctrl subsystem
[    0.914752] thermal_sys: Registered thermal governor 'bang_bang'
[    0.938505] mtrr: your CPUs had inconsistent fixed MTRR settings
[    0.939084] mtrr: probably your BIOS does not setup all CPUs.
[    1.050381] PCI: Using host bridge windows from ACPI; if necessary, use "pci=nocrs" and report a bug
[    1.080725] acpi PNP0A03:00: fail to add MMCONFIG information, can't access extended configuration space under this bridge
[    1.084883] acpiphp: Slot [2] registered
[    1.105416] pci 0000:00:01.1: BAR 0 [io  0x01f0-0x01f7]: legacy IDE quirk
[    1.381862] pci_bus 0000:00: resource 4 [io  0x0000-0x0cf7 window]
[    1.393488] Key type blacklist registered
[    1.500000] systemd[1]: Mounting debug.mount - Kernel Debug File System...
[    2.119813] amd_pstate: the _CPC object is not present in SBIOS or ACPI disabled
[    2.336399] ima: No TPM chip found, activating TPM-bypass!
[    2.370634] RAS: Correctable Errors collector initialized.
[    2.645096] x86/mm: Checked W+X mappings: passed, no W+X pages found.
[    2.646098] Run /init as init process
[    2.700000][    T1] virtio_blk virtio5: [vda] 33554432 512-byte logical blocks (17.2 GB/16.0 GiB)
[    3.100000] thermal: DEBUG: governor is step_wise
[    3.109994] 9p: Installing v9fs 9p2000 file system support
[    3.200000] overlayfs: "xino" feature enabled using 2 upper inode bits.
[    4.578665] loop: module loaded
[    5.000000] md/raid1:md0: WARNING: sdb appears to be on the same physical disk as sdc.
[    8.093182] evm: overlay not supported
[   10.446646] EXT4-fs (vda): mounted filesystem f6a90848-e5c7-11f1-a69e-ed63be87bd38 r/w with ordered data mode.
[   12.000000] I/O error, dev nvme0n1, sector 20488 op 0x0:(READ) flags 0x80700 phys_seg 4 prio class 2
[   12.100000] Buffer I/O error on dev vdb, logical block 2561, async page read
[   12.200000] EXT4-fs warning (device vdb): htree_dirblock_to_tree:1083: inode #2: lblock 0: comm ls: error -5
[   12.300000] XFS (sda): Internal error i != 1 at line 2031 of file fs/xfs/libxfs/xfs_alloc.c.
[   12.400000] nvme nvme0: Removing after probe failure status: -19
[   12.410000] nvme nvme0: Ignoring bogus Namespace Identifiers
[   12.420000] sd 0:0:0:0: [sda] Synchronize Cache(10) failed: Result: hostbyte=DID_BAD_TARGET driverbyte=DRIVER_OK
[   12.430000] pci 0000:00:09.0: BAR 0 [mem 0x100004000-0x100007fff 64bit]: assigned
[   13.000000] traps: fio[812] general protection fault ip:7f1c5a0b1c3a sp:7ffd8b6a6b10 error:0 in libc.so.6[7f1c5a028000+155000]
[   13.100000] fio[813]: segfault at 10 ip 000055d0f3f2c1a4 sp 00007ffd7e5b2a90 error 4 in fio[55d0f3ee5000+a0000] likely on CPU 1
[   13.200000] perf: interrupt took too long (2512 > 2500), lowering kernel.perf_event_max_sample_rate to 79500
[   13.300000] INFO: NMI handler (perf_event_nmi_handler) took too long to run: 1.287 msecs
[   13.400000] workqueue: blk_mq_run_work_fn hogged CPU for >10000us 4 times, consider switching to WQ_UNBOUND
[   13.500000] hrtimer: interrupt took 4209388 ns
[   13.600000] clocksource: timekeeping watchdog on CPU1: hpet wd-wd read-back delay of 125600ns
[   13.700000] sched: RT throttling activated
[   13.800000] smpboot: CPU 1 is now offline
[   14.000000] Symbol-search: show_stack BUG_ON WARN_ON lockdep_assert_held oops_in_progress panic_timeout
[   76.384259] sysrq: Power Off
[   76.390635] reboot: Power down
END
output=$("$splats" "$T/clean")
is "$?:$output" 0: 'a clean log has none'
sed 's/$/\r/' "$T/clean" >"$T/clean-cr"
printf '\033c\033[?7l\033[2J\0\377SeaBIOS (version 1.16.2)\r\n' | cat - "$T/clean-cr" >"$T/clean-console"
output=$("$splats" "$T/clean-console")
is "$?:$output" 0: 'nor has one from a serial console, with the firmware and its stray bytes before it'
is "$("$splats" </dev/null)" '' 'nor an empty one'

# What they print, by the functions and files in the kernel's source that do.
cat >"$T/headlines" <<'END'
WARN: ------------[ cut here ]------------
WARN: WARNING: CPU: 1 PID: 812 at fs/buffer.c:1188 mark_buffer_dirty+0x14d/0x170
WARN, 6.18: WARNING: kernel/bpf/verifier.c:2745 at reg_bounds_sanity_check+0x18a/0x1d0, CPU#0: bpfahead/811
WARN: ---[ end trace 0000000000000000 ]---
stack: Call Trace:
stack, arm64: Call trace:
BUG: kernel BUG at mm/slub.c:553!
BUG: Kernel BUG at kmem_cache_free+0x3a0/0x3b0 [verbose debug info unavailable]
BUG: BUG: kernel NULL pointer dereference, address: 0000000000000010
BUG: BUG: unable to handle page fault for address: ffffa3c4c0a1b000
BUG: BUG: scheduling while atomic: swapper/1/0/0x00000100
BUG: BUG: sleeping function called from invalid context at kernel/locking/mutex.c:585
BUG: BUG: Bad page state in process fio  pfn:1066c
BUG: BUG: Bad rss-counter state mm:00000000c27cc2f1 type:MM_ANONPAGES val:1
BUG: BUG: stack guard page was hit at 00000000a6a45e5c (stack is 00000000d6a3a2a8..00000000f2ba91ed)
BUG: BUG: spinlock bad magic on CPU#0, swapper/0/1
slub: BUG kmalloc-64 (Not tainted): Poison overwritten
oops, 6.1: general protection fault, probably for non-canonical address 0xdead000000000108: 0000 [#1] PREEMPT SMP NOPTI
oops, 6.12: Oops: general protection fault, probably for non-canonical address 0xdead000000000108: 0000 [#1] PREEMPT SMP NOPTI
oops, 6.1: divide error: 0000 [#1] PREEMPT SMP NOPTI
oops, 6.1: invalid opcode: 0000 [#1] PREEMPT SMP NOPTI
oops, 6.1: stack segment: 0000 [#2] SMP
oops: Oops: 0002 [#1] PREEMPT SMP NOPTI
oops: Oops: int3: 0000 [#1] PREEMPT SMP PTI
oops: traps: PANIC: double fault, error_code: 0x0
oops: PANIC: early exception 0x0d IP 10:ffffffff81000123 error 0 cr2 0x0
oops: fio: Corrupted page table at address 7f1c5a0b1c3a
oops: Fixing recursive fault but reboot is needed!
oops: kernel tried to execute NX-protected page - exploit attempt? (uid: 0)
oops, arm64: Unable to handle kernel NULL pointer dereference at virtual address 0000000000000008
oops, arm64: Unable to handle kernel paging request at virtual address dead000000000108
oops, arm64: Internal error: Oops: 0000000096000004 [#1] SMP
oops, arm64: Internal error: Oops - Undefined instruction: 0000000002000000 [#1] SMP
oops, arm64: Unhandled 64-bit el1h sync exception on CPU0, ESR 0x000000005e000000 -- BTI
oops, arm64: Bad mode in Error handler detected on CPU0, code 0xbf000002 -- SError
oops, arm64: SError Interrupt on CPU1, code 0x00000000be000011 -- SError
oops, arm64: Insufficient stack space to handle exception!
panic: Kernel panic - not syncing: Fatal exception in interrupt
panic: Kernel panic - not syncing: sysrq triggered crash
panic: ---[ end Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0) ]---
lockdep: WARNING: possible circular locking dependency detected
lockdep: WARNING: possible recursive locking detected
lockdep: WARNING: possible irq lock inversion dependency detected
lockdep: WARNING: HARDIRQ-safe -> HARDIRQ-unsafe lock order detected
lockdep: WARNING: inconsistent lock state
lockdep: WARNING: suspicious RCU usage
lockdep: WARNING: bad unlock balance detected!
lockdep: WARNING: held lock freed!
lockdep: WARNING: fio/812 still has locks held!
lockdep: WARNING: lock held when returning to user space!
lockdep: [ BUG: Invalid wait context ]
lockdep: INFO: trying to register non-static key.
lockdep: BUG: MAX_LOCKDEP_CHAINS too low!
lockdep: DEBUG_LOCKS_WARN_ON(lock->magic != lock)
RCU stall: rcu: INFO: rcu_preempt self-detected stall on CPU
RCU stall: rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:
RCU stall: rcu: INFO: rcu_sched detected expedited stalls on CPUs/tasks: { 1-...D } 5 jiffies s: 117 root: 0x2/.
RCU stall: rcu: INFO: rcu_preempt detected stall, but suppressed full report due to a stuck CSD-lock.
RCU stall: INFO: rcu_tasks detected stalls on tasks:
RCU stall: INFO: rcu_tasks_trace detected stalls? (Late IPI?)
RCU stall: rcu: rcu_preempt kthread starved for 5252 jiffies! g1301 f0x0 RCU_GP_WAIT_FQS(5) ->state=0x0 ->cpu=1
RCU stall: rcu: rcu_preempt kthread timer wakeup didn't happen for 2567 jiffies! g1301 f0x0 RCU_GP_WAIT_FQS(5)
soft lockup: watchdog: BUG: soft lockup - CPU#1 stuck for 22s! [fio:812]
hard lockup: watchdog: Watchdog detected hard LOCKUP on cpu 3
hard lockup, 6.1: NMI watchdog: Watchdog detected hard LOCKUP on cpu 3
workqueue: BUG: workqueue lockup - pool cpus=1 node=0 flags=0x0 nice=0 stuck for 31s!
hung task: INFO: task bpfaheadd:913 blocked for more than 120 seconds.
CSD lock: smp: csd: Detected non-responsive CSD lock (#1) on CPU#0, waiting 5000000042 ns for CPU#01 do_nothing+0x0/0x10(0x0).
softirq: softirq: huh, entered softirq 9 RCU 00000000a6a45e5c with preempt_count 00000101, exited with 00000100?
irq: irq 11: nobody cared (try booting with the "irqpoll" option)
KASAN: BUG: KASAN: slab-use-after-free in bdi_unregister+0x1a5/0x240
KASAN: KASAN: null-ptr-deref in range [0x0000000000000010-0x0000000000000017]
KCSAN: BUG: KCSAN: data-race in blk_update_request / bdi_dev_name
KFENCE: BUG: KFENCE: use-after-free read in bdi_dev_name+0x10/0x30
KMSAN: BUG: KMSAN: uninit-value in bio_attempt_back_merge+0x10/0x30
UBSAN: UBSAN: array-index-out-of-bounds in drivers/block/loop.c:812:21
refcount: refcount_t: underflow; use-after-free.
list: list_add corruption. prev->next should be next (ffff888101), but was dead000000000100. (prev=ffff888102).
list: list_del corruption, ffff888103a5e5c0->next is LIST_POISON1 (dead000000000100)
leak: kmemleak: 3 new suspected memory leaks (see /sys/kernel/debug/kmemleak)
usercopy: usercopy: Kernel memory exposure attempt detected from SLUB object 'kmalloc-64' (offset 0, size 128)!
sysfs: sysfs: cannot create duplicate filename '/devices/virtual/bdi/7:0'
busy: VFS: Busy inodes after unmount of loop0. Self-destruct in 5 seconds.  Have a nice day...
busy: unregister_netdevice: waiting for lo to become free. Usage count = 2
END

# In every form of a log: a console's, one with the caller, dmesg --raw, dmesg --notime; each headline
# between two clean lines.
cut -d: -f2- "$T/headlines" | sed 's/^ //' >"$T/texts"
kinds=$(cut -d: -f1 "$T/headlines" | sort -u | wc -l)
for prefix in '[   42.123456] ' '[   42.123456][  T812] ' '<4>[   42.123456] ' '<0>' ''; do
	awk -v clean="$T/clean" -v prefix="$prefix" '{
		if ((getline line <clean) <= 0) { close(clean); getline line <clean }
		print line; print prefix $0 }' "$T/texts" >"$T/planted"
	for ending in '' $'\r'; do
		sed "s/\$/$ending/" "$T/planted" >"$T/log"
		awk 'NR % 2 == 0 { print NR ":" $0 }' "$T/log" >"$T/wanted"
		"$splats" "$T/log" >"$T/found"
		is "$?:$(diff "$T/wanted" "$T/found")" 1: \
			"headlines of $kinds kinds, each found behind '$prefix'${ending:+, with CR}"
	done
done

# --- whole messages, as they come ---
cat >"$T/warn" <<'END'
[   42.100000] ------------[ cut here ]------------
[   42.100112] WARNING: CPU: 0 PID: 933 at lib/refcount.c:28 refcount_warn_saturate+0xba/0x110
[   42.100400] Modules linked in: loop ext4 crc16 mbcache jbd2
[   42.100700] CPU: 0 UID: 0 PID: 933 Comm: losetup Not tainted 6.12.94+deb12-amd64 #1
[   42.101000] RIP: 0010:refcount_warn_saturate+0xba/0x110
[   42.101300] Call Trace:
[   42.101400]  <TASK>
[   42.101500]  ? __warn+0x89/0x130
[   42.101600]  </TASK>
[   42.101700] ---[ end trace 0000000000000000 ]---
END
is "$("$splats" "$T/warn" | cut -d: -f1 | paste -sd' ')" '1 2 6 10' 'a WARN: its headlines are printed with their numbers'
is "$("$splats" <"$T/warn" | head -1)" "1:$(head -1 "$T/warn")" 'from standard input, too'
"$splats" "$T/clean" "$T/warn" >"$T/output"
is "$?:$(head -1 "$T/output" | cut -d: -f1,2)" "1:$T/warn:1" 'of several logs: and the name of the log'

"$splats" "$T/clean" "$T/nowhere" >/dev/null 2>"$T/error"
is "$?:$(cat "$T/error")" "2:splats.sh: $T/nowhere cannot be read" 'a log that cannot be read is no clean one'
done_testing
