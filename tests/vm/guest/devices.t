#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Each kind of block device by itself, and stacked: the value goes to the bdi of the device that the
# file system lies on, and the devices below it keep theirs. DEVICES names some of them (default: all).
# shellcheck source=tests/vm/guest/lib.sh
. "$(dirname "$0")/lib.sh"
need_guest
need fio jq dd findmnt bpftool dmsetup lvm mdadm cryptsetup sfdisk partx

DEVICES=${DEVICES:-virtio nvme scsi loop partition linear lvm raid0 crypt multipath scope reload}

# No udev here: device nodes are made by whoever makes the device.
export DM_DISABLE_UDEV=1

dm_create() { # NAME TABLE; sets DM
	dmsetup create "$1" --table "$2" || die "dmsetup create $1: $2"
	DM=/dev/mapper/$1
	[ -b "$DM" ] || die "no $DM"
}
dm_remove() { dmsetup remove "$1" || die "dmsetup remove $1"; }
sectors_of() { blockdev --getsz "$1"; }

try_virtio() {
	disk blk
	on_device virtio-blk "$DISK"
}
try_nvme() {
	disk nvme
	on_device NVMe "$DISK"
}
try_scsi() {
	disk scsi
	on_device SCSI "$DISK"
}
try_loop() {
	make_loop 160
	on_device loop "$LOOP" "$(findmnt -no SOURCE -T "$T")"
}

try_partition() {
	disk nvme
	printf 'label: gpt\n,16M\n,+\n' | sfdisk -q --wipe always "$DISK" >/dev/null || die sfdisk
	wait_for 5 test -b "${DISK}p2" || die "no ${DISK}p2"
	use_disk "$DISK"
	make_fs "${DISK}p2" ext4
	fill_file "$MNT/data" "$DATA_MB"
	try_file 'partition of NVMe' "$MNT/data" "$BDI" "${DISK}p2"
	umount "$MNT"
	sfdisk -q --delete "$DISK" >/dev/null || die sfdisk
}

try_linear() {
	disk blk
	dm_create linear "0 $(sectors_of "$DISK") linear $DISK 0"
	on_device 'dm-linear over virtio-blk' "$DM" "$DISK"
	dm_remove linear
}

lvm_command() {
	lvm "$1" --config 'devices { obtain_device_list_from_udev=0 }' "${@:2}" >"$T/lvm.log" 2>&1 ||
		die "$1: $(cat "$T/lvm.log")"
}
try_lvm() {
	local first
	disk scsi
	first=$DISK
	disk blk
	lvm_command pvcreate -ff -y "$first" "$DISK"
	lvm_command vgcreate group "$first" "$DISK"
	lvm_command lvcreate -y -W n -n volume -l 100%FREE group
	on_device 'LVM over SCSI and virtio-blk' /dev/mapper/group-volume "$first" "$DISK"
	lvm_command vgremove -ff -y group
}

try_raid0() {
	local first
	disk nvme
	first=$DISK
	disk scsi
	mdadm --create /dev/md0 --run --metadata=1.2 --level=0 --raid-devices=2 "$first" "$DISK" \
		>"$T/mdadm.log" 2>&1 || die "mdadm: $(tail -1 "$T/mdadm.log")"
	on_device 'md raid0 over NVMe and SCSI' /dev/md0 "$first" "$DISK"
	mdadm --stop --quiet /dev/md0 || die 'mdadm --stop'
	mdadm --zero-superblock "$first" "$DISK" || die 'mdadm --zero-superblock' # lvm(8) leaves members alone
}

try_crypt() {
	disk blk
	head -c 64 /dev/urandom >"$T/key"
	cryptsetup open -q --type plain --key-file "$T/key" -c aes-xts-plain64 -s 512 "$DISK" crypt ||
		die 'cryptsetup open'
	on_device 'dm-crypt over virtio-blk' /dev/mapper/crypt "$DISK"
	cryptsetup close crypt || die 'cryptsetup close'
}

try_multipath() {
	local paths table='' path
	modprobe -a dm_multipath dm_round_robin || die 'modprobe dm_multipath'
	mapfile -t paths < <(vm-disk multipath)
	[ ${#paths[@]} = 2 ] || die "paths of the disk 'multipath': ${paths[*]}"
	for path in "${paths[@]}"; do table+=" $(dev_of "$path") 1"; done
	dm_create multipath "0 $(sectors_of "${paths[0]}") multipath 0 0 1 1 round-robin 0 2 1$table"
	on_device 'dm-multipath over two SCSI paths' "$DM" "${paths[@]}"
	dmsetup message multipath 0 fail_path "$(dev_of "${paths[0]}")" || die fail_path
	on_device 'dm-multipath with a failed path' "$DM" "${paths[@]}"
	dm_remove multipath
}

# Who is asked for everything is not asked for what lies below it: a disk that no file system reads
# itself keeps its value (scope `mounted`), or gets the row of its own class, which nobody uses, and
# its original back (scope `all`, by block features; readahead happens above it).
try_scope() {
	local lower
	disk blk
	lower=$(dev_of "$DISK")
	dm_create scope "0 $(sectors_of "$DISK") linear $DISK 0"
	use_device "$DM"
	make_fs "$DM" ext4
	fill_file "$MNT/data" "$DATA_MB"
	slow_disk
	echo 96 >"/sys/class/bdi/$lower/read_ahead_kb"
	ALONE=("$lower")
	RUN_DEVICE='' try 'everything mounted' "$MNT/data" "$BDI" mmap-random random
	ALONE=()
	RUN_OPTIONS=(--weights "$TOP/weights/block.bin") AFTER_START=scope_all
	RUN_DEVICE='' try 'every bdi' "$MNT/data" "$BDI" mmap-random random
	RUN_OPTIONS=() AFTER_START=
	ok 'every bdi: that of the disk below gets a row too' run_said " ${DISK#/dev/}  none -> [a-z-]+  96 -> [0-9]+ KB"
	is "$(kb_of "$lower")" "$lower: 96 KB  " 'every bdi: and its original back'
	umount "$MNT" || die umount
	dm_remove scope
}
scope_all() { "$BPFAHEAD" config scope=all >/dev/null || die 'config scope=all'; }

# A table that is loaded anew (lvextend, a snapshot, multipathd) makes the kernel compute readahead
# anew, though no limit has changed: nothing tells that value from a person's. docs/operations.md.
try_reload() {
	local table ours
	disk blk
	table="0 $(sectors_of "$DISK") linear $DISK 0"
	dm_create reload "$table"
	use_device "$DM"
	make_fs "$DM" ext4
	fill_file "$MNT/data" "$DATA_MB"
	slow_disk
	set_kb 192
	start_run
	start_load mmap-random "$MNT/data"
	ok 'table loaded anew: the value is ours before' wait_for 20 settled 192
	ours=$(read_kb)
	dmsetup reload reload --table "$table" || die 'dmsetup reload'
	dmsetup suspend reload || die 'dmsetup suspend'
	dmsetup resume reload || die 'dmsetup resume'
	diag "by the load of a table $ours KB became $(read_kb)"
	is "$(read_kb)" 128 'table loaded anew: the kernel computes readahead'
	ok 'table loaded anew: run says who it takes for it' wait_for 10 run_said 'somebody set 128 KB.*resume='
	ok 'table loaded anew: resume' "$BPFAHEAD" config "resume=$NAME"
	ok 'table loaded anew: ours again after resume' wait_for 10 kb_is "$ours"
	stop_load
	stop_run TERM
	is "$(read_kb)" 128 'table loaded anew: what was found at resume is back'
	umount "$MNT" || die umount
	dm_remove reload
}

modprobe -qa dm_mod dm_crypt raid0
for device in $DEVICES; do "try_$device"; done
done_testing
