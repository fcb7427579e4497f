#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A calibrated row belongs to the disk: it is stored under what the disk says of itself, and found
# by that when the disk comes back under another name and with another file system. Another disk
# does not get it, be its file system a copy. In a guest of vm.sh with -d none:16:spare, and of
# -d virtio:512:blk -d nvme:512:nvme -d scsi:512:scsi those that IDENTITIES names (default: all).
# shellcheck source=tests/vm/guest/lib.sh
. "$(dirname "$0")/lib.sh"
need_guest
need fio jq dd mkfs.ext4 e2fsck tune2fs

IDENTITIES=${IDENTITIES:-blk nvme scsi}

# device ID SERIAL: what the machine is told of the device. A SCSI disk of its has no identity but a WWN.
device() {
	case $1 in
	blk) echo "\"driver\": \"virtio-blk-pci\", \"serial\": \"$2\"" ;;
	nvme) echo "\"driver\": \"nvme\", \"serial\": \"$2\"" ;;
	scsi) echo "\"driver\": \"scsi-hd\", \"bus\": \"scsi.0\", \"serial\": \"$2\", \"wwn\": $(wwn "$2")" ;;
	esac
}
wwn() { echo $((0x5000c50000000000 + $(cksum <<<"$1" | cut -d' ' -f1))); }
# The same by itself, as it is to be found: the NVMe namespace of this machine has the vendor's number
# of the controller, its serial number, model and place, in hexadecimal.
hex() { printf %s "$1" | xxd -p | tr -d '\n'; }
identity() {
	case $1 in
	blk) echo "serial:$2" ;;
	nvme) echo "wwid:nvme.1b36-$(hex "$2")-$(hex 'QEMU NVMe Ctrl')-00000001" ;;
	scsi) printf 'wwid:naa.%x\n' "$(wwn "$2")" ;;
	esac
}

declare -A plugged
qmp() { vm-qmp "{\"execute\": \"$1\", \"arguments\": {$2}}" >"$T/qmp" 2>&1; }
# plug ID DRIVE SERIAL: sets DISK. The machine lets go of a drive a moment after the guest has.
plug() {
	wait_for 20 qmp device_add "$(device "$1" "$3"), \"drive\": \"$2\", \"id\": \"plugged-$3\"" ||
		die "device_add: $(<"$T/qmp")"
	plugged[$3]=plugged-$3
	disk "$3"
}
has_left() { ! vm-disk "$1" >/dev/null; }
pull() { # SERIAL
	qmp device_del "\"id\": \"${plugged[$1]:-dev-$1}\"" || die "device_del: $(<"$T/qmp")"
	wait_for 20 has_left "$1" || die "$1 is still there"
}

mount_disk() { # $DISK; sets MNT
	use_disk "$DISK"
	MNT=$T/mnt-${#mounts[@]}
	mkdir "$MNT"
	mount -o noatime "$DISK" "$MNT" || die "mount $DISK"
	mounts+=("$MNT")
}
set_uuid() {
	if ! { e2fsck -fp "$DISK" && tune2fs -U "$1" "$DISK"; } >"$T/uuid.log" 2>&1 </dev/null; then
		die "UUID: $(<"$T/uuid.log")"
	fi
}
policy_is() {
	[ "$(status_json | jq -r --arg n "$BDI" '.devices[] | select(.bdi == $n) | .policy')" = "$1" ]
}
# read_disk: until something has been decided, which is after the row was looked for. It goes on.
decided() { decided_class | grep -qvx null; }
read_disk() {
	throttle 4000000 500 || die "throttle $NAME"
	start_reading sequential "$MNT/data"
	wait_for 10 decided || die "nothing is decided for $NAME"
}
# not_in_force FILE: lines of its [policy] that the device's row has otherwise.
not_in_force() {
	comm -23 <(sed -n '/^\[policy\]/,/^$/p' "$1" | grep ' = ' | sort) \
		<("$BPFAHEAD" config --json | jq -r --arg n "$BDI" \
			'.policy[$n] // {} | to_entries[] | "\(.key) = \(.value.kb) \(.value.clamp)"' | sort)
}
found_by() { sed -n "s/.*$NAME: policy as calibrated on .* (\(.*\))/\1/p" "$T/run.err"; }

declare -A name file
for id in $IDENTITIES; do
	if [ "$id" = scsi ]; then # to have its WWN
		pull "$id"
		plug "$id" "$id" "$id"
	fi
	disk "$id"
	use_disk "$DISK"
	make_fs "$DISK" ext4
	fill_file "$MNT/data" 40
	throttle 40000000 600 || die "throttle $NAME"
	name[$id]=$NAME file[$id]=$BPFAHEAD_STATE_DIR/devices/$(identity "$id" "$id").conf
	"${in_cgroup[@]}" "$CGROUP" "$BPFAHEAD" calibrate "$MNT" --seconds 5 --bytes 72M \
		>"$T/out" 2>"$T/err" </dev/null
	is $? 0 "$id, $NAME: calibrated" || diag "$(<"$T/err")"
	ok "$id: the row is stored as $(identity "$id" "$id")" test -s "${file[$id]}" || diag "$(ls "$BPFAHEAD_STATE_DIR/devices")"
	is "$(sed -n 's/^identity = //p' "${file[$id]}" | paste -sd' ')" \
		"$(identity "$id" "$id") fs-uuid:$(blkid -s UUID -o value "$DISK")" "$id: it is known by this and its file system"
	umount "$MNT" || die umount
	uuid=$(blkid -s UUID -o value "$DISK")
	set_uuid random
done

# Each leaves, another one takes its name, and it comes back.
RUN_DEVICE='' start_run
for id in $IDENTITIES; do
	pull "$id"
	plug "$id" spare "spare-$id"
	is "/dev/${name[$id]}" "$DISK" "$id: another disk is ${name[$id]} now"
	plug "$id" "$id" "$id"
	mount_disk
	ok "$id: which is $NAME itself" test "$NAME" != "${name[$id]}"
	read_disk
	ok "$id: and has its row" policy_is calibrated
	is "$(not_in_force "${file[$id]}")" '' "$id: all that is stored is in force"
	is "$(found_by)" "$(identity "$id" "$id")" "$id: by what it says of itself"
	stop_load
	umount "$MNT" || die umount
	pull "spare-$id"
done

# The blocks of the last one, with the UUID that its row has, on a disk that says it is another one.
pull "$id"
plug "$id" "$id" another
set_uuid "$uuid"
mount_disk
read_disk
ok 'another disk with a copy of the file system has not got the row' policy_is default
is "$(found_by)" '' 'nor is it said to have one'
stop_load
umount "$MNT" || die umount
stop_run TERM
is "$RUN_STATUS" 0 'run ends with status 0'
[ $tests_failed = 0 ] || diag "$(tail -n 40 "$T/run.log")" "$(tail -n 20 "$T/run.err")"
done_testing
