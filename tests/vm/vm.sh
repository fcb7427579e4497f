#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# vm.sh [OPTION]... [COMMAND [ARGUMENT]...] - boot a stock Debian kernel and run a command of this
# tree in it, as root, in emulation (qemu's TCG: no KVM needed). README.md beside this file says more.
#
#   -k VERSION   kernel: 6.1 or 6.12 (default), or a package's full kernel name
#   -a ARCH      amd64 (default) or arm64
#   -c CPUS      default 2        -m MB        memory, default 2048
#   -d BUS:MB:ID a disk beside the scratch disk: virtio, nvme, scsi, multipath (two paths to one SCSI
#                disk), or none: in no slot, for vm-qmp to plug in; `vm-disk ID` tells its path; may be
#                repeated
#   -A ARGS      more for the kernel's command line      -Q ARGS    more for qemu
#   -e NAME=VALUE environment of the command; may be repeated
#   -i           count instructions: a nanosecond of guest time is one instruction (one thread)
#   -t SECONDS   limit, default 600; a guest that is not done then has hung
#   -o DIR       where console.log and output are left (default $VM_CACHE/out/KERNEL-ARCH, or with a
#                number behind it while another guest uses that)
#   -s           a shell instead of a command
#   -q           no output of the command while it runs
#
# Exit status: the command's; 124 hung; 125 the kernel complained (what tests/splats.sh finds in the
# console); 126 the guest ended without a status, as after a panic: the console's end is printed for
# these three; 2 usage, or what a guest is made of cannot be had.
# shellcheck disable=SC2054 # commas are qemu's
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
tree=$(cd "$here/../.." && pwd)
export VM_CACHE=${VM_CACHE:-$tree/build/vm} PATH=$PATH:/usr/sbin:/sbin

kernel=6.12 arch=amd64 cpus=2 memory=2048 limit=600 out='' shell='' quiet='' icount='' append='' extra=''
disks=() environment=() disk_modules=virtio_blk
usage() {
	sed -n '3,/^# shellcheck /{/^# shellcheck /d;s/^# \{0,1\}//;p}' "$0"
	exit 0
}
die() {
	echo "vm.sh: $*" >&2
	exit 2
}
while getopts :k:a:c:m:d:A:Q:e:it:o:sqh option; do
	case $option in
	k) kernel=$OPTARG ;;
	a) arch=$OPTARG ;;
	c) cpus=$OPTARG ;;
	m) memory=$OPTARG ;;
	d) disks+=("$OPTARG") ;;
	A) append=$OPTARG ;;
	Q) extra=$OPTARG ;;
	e) environment+=("$OPTARG") ;;
	i) icount=1 ;;
	t) limit=$OPTARG ;;
	o) out=$OPTARG ;;
	s) shell=1 ;;
	q) quiet=1 ;;
	h) usage ;;
	:) die "-$OPTARG needs a value (-h tells which)" ;;
	*) die "no such option -$OPTARG (-h lists them)" ;;
	esac
done
shift $((OPTIND - 1))
[ $# -gt 0 ] || [ "$shell" ] || die 'no command, and no -s for a shell (-h tells more)'
for number in "$cpus" "$memory" "$limit"; do
	[[ $number =~ ^[1-9][0-9]*$ ]] || die "-c, -m and -t take a number, not '$number'"
done
for disk in "${disks[@]}"; do
	[[ $disk =~ ^(virtio|nvme|scsi|multipath|none):[1-9][0-9]*:[a-zA-Z][a-zA-Z0-9]*$ ]] ||
		die "a disk is BUS:MB:ID, BUS one of virtio nvme scsi multipath none, not '$disk'"
done
for pair in "${environment[@]}"; do
	[[ $pair =~ ^[a-zA-Z_][a-zA-Z0-9_]*= ]] || die "-e takes NAME=VALUE, not '$pair'"
done

# Machine, its console, and the modules without which it has neither root nor disks.
case $arch in
# erms: glibc copies with `rep movsb`, as on CPUs of today. Without it, memcpy() of 8 KB or more touches the
# last page second, so that an mmap object looks like two (tests/e2e/hidden.t).
amd64) qemu=(qemu-system-x86_64 -machine pc -cpu qemu64,+erms) console=ttyS0 ;;
arm64) qemu=(qemu-system-aarch64 -machine virt -cpu max,pauth-impdef=on) console=ttyAMA0 ;;
*) die "no such architecture '$arch' (amd64 arm64)" ;;
esac
modules='virtio_pci virtio_blk 9pnet_virtio 9p overlay'
for tool in "${qemu[0]}" cpio depmod perl; do
	command -v "$tool" >/dev/null || die "$tool is missing: tests/deps.sh vm"
done

[ "$arch" = amd64 ] || [ -e "$tree/build/$arch/bpfahead" ] || die "not built for $arch: make CROSS=$arch all test-build"
kernel_dir=$("$here/fetch.sh" kernel "$kernel" "$arch") || exit 2
root_dir=$("$here/fetch.sh" root "$arch") || exit 2

# take_out DIR: ours from now on, or used by another guest. The machine keeps the lock, too.
take_out() {
	mkdir -p "$1" && exec {out_fd}>"$1/lock" && flock -n "$out_fd" || return 1
	out=$(cd "$1" && pwd)
}
if [ "$out" ]; then
	take_out "$out" || die "$out cannot be written, or is another guest's"
else
	for number in '' -{2..99}; do
		take_out "$VM_CACHE/out/$kernel-$arch$number" 2>/dev/null && break
	done
	[ "$out" ] || die "no directory for the output below $VM_CACHE/out"
fi
rm -rf "$out"/{console.log,output,status,shell,qmp.*,tap}

run=$(mktemp -d "${TMPDIR:-/tmp}/bpfahead-vm.XXXXXX") || exit 2
qemu_pid='' tail_pid='' terminal=''
cleanup() {
	trap - EXIT INT TERM HUP
	# shellcheck disable=SC2086 # none, or one
	kill -KILL $qemu_pid $tail_pid 2>/dev/null
	[ -z "$terminal" ] || stty "$terminal"
	rm -rf "$run"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# --- initramfs -------------------------------------------------------------------------------

make_initramfs() {
	local root=$run/initramfs version file name tool
	version=$(basename "$kernel_dir"/lib/modules/*)
	mkdir -p "$root"/{bin,proc,sys,dev,modules}
	# One that runs in the guest: this host's, or the one of the guest's architecture.
	cp "$root_dir/usr/bin/busybox" "$root/bin/"
	for tool in sh mount umount insmod mkdir switch_root poweroff echo; do
		ln -s busybox "$root/bin/$tool"
	done
	# shellcheck disable=SC2086 # words
	for name in $modules; do
		modprobe -d "$kernel_dir" -S "$version" --show-depends -a "$name" 2>/dev/null
	done | awk '$1 == "insmod" && !seen[$2]++ { print $2 }' |
		while read -r file; do
			name=$(basename "$file")
			case $name in
			*.xz) xz -dc "$file" >"$root/modules/${name%.xz}" ;;
			*) cp "$file" "$root/modules/" ;;
			esac
			echo "${name%.xz}"
		done >"$root/modules/order"
	[ -s "$root/modules/order" ] || die "no modules in $kernel_dir"
	cp "$here/init" "$root/init"
	(cd "$root" && find . | cpio -o -H newc --quiet | gzip -1) >"$run/initramfs.gz"
}

# --- disks -----------------------------------------------------------------------------------

# A node outlives the device on it: unplugged, it can be plugged in again.
add_node() { # ID FILE
	qemu+=(-blockdev "driver=raw,node-name=$1,discard=unmap,cache.no-flush=on,file.driver=file,file.filename=$2,file.locking=off")
}

# add_disk BUS:MB:ID
add_disk() {
	local bus mb id file
	IFS=: read -r bus mb id <<<"$1"
	file=$run/$id.img
	truncate -s "${mb}M" "$file" || exit 2
	add_node "$id" "$file"
	[ "$bus" = none ] || echo "$id" >>"$out/disks"
	case $bus in
	none) ;;
	virtio) qemu+=(-device "virtio-blk-pci,drive=$id,serial=$id,id=dev-$id") ;;
	nvme)
		disk_modules+=' nvme'
		qemu+=(-device "nvme,drive=$id,serial=$id,id=dev-$id")
		;;
	scsi | multipath)
		[ -n "${scsi:-}" ] || qemu+=(-device virtio-scsi-pci,id=scsi)
		scsi=1 disk_modules+=' virtio_scsi sd_mod'
		qemu+=(-device "scsi-hd,bus=scsi.0,drive=$id,serial=$id,id=dev-$id,share-rw=on")
		[ "$bus" = scsi ] || {
			add_node "$id-2" "$file"
			qemu+=(-device "scsi-hd,bus=scsi.0,drive=$id-2,serial=$id,id=dev-$id-2,share-rw=on")
		}
		;;
	esac
}

share() { # TAG DIRECTORY READONLY
	qemu+=(-fsdev "local,id=$1,path=$2,security_model=none,multidevs=remap${3:+,readonly=on}"
		-device "virtio-9p-pci,fsdev=$1,mount_tag=$1")
}

# --- the machine -----------------------------------------------------------------------------

make_initramfs
case $arch,$icount in
amd64,) append="tsc=reliable clocksource=tsc $append" ;;
esac
# One thread for both CPUs of a guest: two guests at a time then have a core each, and no CPU is
# translated while another one patches its code (a guest of 6.12 once stopped at the int3 of a jump
# label where the kernel had none any more). More CPUs are asked for to be really at once.
accel=tcg
[ "$cpus" -gt 2 ] && [ -z "$icount" ] || accel+=,thread=single
[ -z "$icount" ] || qemu+=(-icount shift=0,sleep=off)
qemu+=(-accel "$accel" -smp "$cpus" -m "$memory" -nodefaults -no-user-config -display none -no-reboot
	-nic none -kernel "$kernel_dir/vmlinuz" -initrd "$run/initramfs.gz"
	-append "console=$console panic=-1 oops=panic $append"
	-qmp "unix:$run/qmp,server=on,wait=off" -device virtio-rng-pci)
share root "$root_dir" ro
share tree "$tree" ro
share kernel "$kernel_dir/lib/modules" ro
share out "$out" ''
: >"$out/disks"
add_disk virtio:16384:scratch
for disk in "${disks[@]}"; do add_disk "$disk"; done
echo "$disk_modules" >"$out/modules"
# shellcheck disable=SC2206 # words
qemu+=($extra)

printf '%q ' "$@" >"$out/command"
: >"$out/environment"
for pair in "${environment[@]}"; do printf '%s=%q\n' "${pair%%=*}" "${pair#*=}" >>"$out/environment"; done

if [ "$shell" ]; then
	touch "$out/shell"
	quiet=1
	terminal=$(stty -g 2>/dev/null)
	echo "Ctrl-A X ends the machine at once"
	"${qemu[@]}" -chardev "stdio,id=console,mux=on,logfile=$out/console.log,signal=off" \
		-serial chardev:console -mon chardev=console <&0 &
else
	"${qemu[@]}" -serial "file:$out/console.log" </dev/null >"$run/qemu.log" 2>&1 &
fi
qemu_pid=$!
[ "$quiet" ] || {
	: >"$out/output"
	tail -n +1 -f --pid="$qemu_pid" "$out/output" &
	tail_pid=$!
}

# answer_requests: what vm-qmp of the guest has asked for.
answer_requests() {
	local request
	for request in "$out"/qmp.*.request; do
		[ -e "$request" ] || continue
		perl -e 'use IO::Socket::UNIX; my ($path, $command) = @ARGV;
			my $qmp = IO::Socket::UNIX->new(Peer => $path) or die "qmp: $!\n";
			my $line = <$qmp>; # the greeting
			for my $say (q({"execute": "qmp_capabilities"}), $command) {
				print $qmp "$say\n";
				do { $line = <$qmp> } while (defined $line && $line =~ /"event"/);
			}
			print $line;' "$run/qmp" "$(cat "$request")" >"$run/answer" 2>&1 ||
			echo '{"error": "no answer of the machine"}' >"$run/answer"
		mv "$run/answer" "${request%.request}.answer"
		rm -f "$request"
	done
}

began=$SECONDS hung=''
while kill -0 "$qemu_pid" 2>/dev/null; do
	answer_requests
	if [ -z "$shell" ] && [ $((SECONDS - began)) -ge "$limit" ]; then
		hung=1
		kill -KILL "$qemu_pid"
		break
	fi
	sleep 0.2
done
wait "$qemu_pid" 2>/dev/null
qemu_status=$?
qemu_pid=
[ "$quiet" ] || wait "$tail_pid" 2>/dev/null
tail_pid=
[ -z "$shell" ] || exit "$qemu_status"

what="Linux $kernel on $arch"
# fail STATUS WHY: with the console's end, and the lines of it that splats.sh found.
fail() {
	echo "vm.sh: $2; the console's end ($out/console.log):" >&2
	tail -n 40 "$out/console.log" 2>/dev/null | tr -d '\r' | sed 's/^/    /' >&2
	if [ -n "$splats" ]; then
		echo "vm.sh: $what complained, in these lines of it among others:" >&2
		head -5 <<<"$splats" | tr -d '\r' | sed 's/^/    /' >&2
	fi
	exit "$1"
}
splats=$("$tree/tests/splats.sh" "$out/console.log" 2>/dev/null)
[ -z "$hung" ] || fail 124 "$what was not done in $limit s"
if [ ! -s "$out/status" ]; then
	cat "$run/qemu.log" >&2
	fail 126 "$what ended without a status (qemu: $qemu_status)"
fi
[ -z "$splats" ] || fail 125 "$what complained"
exit "$(cat "$out/status")"
