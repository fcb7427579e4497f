#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The guest's process 1 once its root is there: mounts what a Debian host has, runs /out/command in
# the tree, leaves its exit status in /out/status, and switches the machine off.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/src/tests/vm/bin HOME=/root LC_ALL=C.UTF-8 TERM=linux
trap : INT

hostname bpfahead-guest
mkdir -p /dev/pts /dev/shm /run/lock
mount -t devpts devpts /dev/pts
mount -t tmpfs shm /dev/shm
mount -t tmpfs run /run
mount -t tmpfs tmp /tmp
mount -t securityfs security /sys/kernel/security
mount -t bpf bpf /sys/fs/bpf
mount -t cgroup2 cgroup2 /sys/fs/cgroup
echo '+io +memory +cpuset' >/sys/fs/cgroup/cgroup.subtree_control
ip link set lo up
modprobe -q loop
ln -sfn /proc/self/fd /dev/fd

# The disks, and what drives them: nobody else loads it.
# shellcheck disable=SC2046 # words
modprobe -qa $(</out/modules)
while read -r id; do
	for ((n = 0; n < 300; n++)); do
		/src/tests/vm/bin/vm-disk "$id" >/dev/null 2>&1 && break
		sleep 0.1
	done
done </out/disks

# What needs blocks of its own goes to a disk; /tmp and the root are memory.
scratch=$(/src/tests/vm/bin/vm-disk scratch 2>/dev/null)
if [ -n "$scratch" ]; then
	mkfs.ext4 -q -F -E nodiscard,lazy_itable_init=1 "$scratch" && mount -o noatime "$scratch" /var/tmp
fi

# What was built runs from that disk: a program on an overlay has no device below it. What was built for
# another architecture (make CROSS=ARCH, into build/ARCH) is the build/ of its guests.
build=/src/build
[ "$(uname -m)" != aarch64 ] || build=/src/build/arm64
if [ -n "$scratch" ]; then
	mkdir /var/tmp/build
	tar -C $build --exclude=./{obj,asan,fuzz,helper,vm,tap,arm64} -c . | tar -x -C /var/tmp/build
	mount --bind /var/tmp/build /src/build
fi

export TAP_DIR=/out/tap # outlives the guest
export PATIENCE=3       # emulation is slow: tests/lib.sh
cd /src || exit
set -a
# shellcheck disable=SC1091
. /out/environment
set +a
if [ -e /out/shell ]; then
	echo "Linux $(uname -r); the tree is /src, a scratch disk /var/tmp; exit ends the guest"
	setsid -c bash -i </dev/console >/dev/console 2>&1
	echo 0 >/out/status
else
	bash /out/command </dev/null >/out/output 2>&1
	echo $? >/out/status
fi
sync
# The shares leave before the machine does: nothing more can be read from them, be it `sleep`.
exec {nap}<> <(:)
echo o >/proc/sysrq-trigger
read -r -t 60 -u "$nap" _
