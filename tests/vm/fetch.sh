#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# fetch.sh kernel VERSION ARCH | root ARCH | sysroot ARCH - what a guest is made of, out of the
# distribution's packages: downloaded by apt-get with its signatures checked, unpacked below
# $VM_CACHE, never installed. Prints the directory. What is there already is not fetched again.
#
# VERSION is 6.1 or 6.12, or the full name of a package's kernel. A root holds what the suites call, a
# sysroot the headers and libraries that `make CROSS=ARCH` builds with; nothing of either runs on this
# host. Needs apt-get, dpkg-deb and no privileges.
set -euo pipefail
export PATH=$PATH:/usr/sbin:/sbin
cd "$(dirname "$0")/../.."
VM_CACHE=${VM_CACHE:-build/vm}

# What the suites call in the guest, by what it is there for.
packages='bash busybox-static coreutils mawk sed grep findutils diffutils util-linux util-linux-extra mount procps
	kmod udev perl jq xxd iproute2 hostname gzip
	libbpf1 libelf1 zlib1g libseccomp2 libcjson1 libinih1 libcmocka0 libprotobuf-c1 bpftool
	fio fdisk parted e2fsprogs xfsprogs btrfs-progs
	dmsetup lvm2 mdadm cryptsetup-bin multipath-tools nvme-cli
	nfs-kernel-server nfs-common rpcbind fuse3 bindfs kpartx libxml2-utils'

# What the tree is built with, as tests/deps.sh installs it for this host.
libraries='libc6-dev libbpf-dev libelf-dev zlib1g-dev libseccomp-dev libcjson-dev libinih-dev libprotobuf-c-dev libcmocka-dev'

die() {
	echo "fetch.sh: $*" >&2
	exit 1
}

case $(. /etc/os-release && echo " $ID ${ID_LIKE:-} ") in
*' debian '*) ;;
*) die 'guests are made of Debian packages, with apt-get and the archives that it has here' ;;
esac

# An apt of its own: its own lists, for its own architecture, with nothing installed.
use_apt() {
	local dir
	mkdir -p "$VM_CACHE"
	dir=$(cd "$VM_CACHE" && pwd)/apt-$1
	mkdir -p "$dir"/{lists/partial,archives/partial}
	: >"$dir/status"
	apt=(-o "APT::Architecture=$1" -o "APT::Architectures=$1" -o "Dir::State=$dir"
		-o "Dir::State::lists=$dir/lists" -o "Dir::State::status=$dir/status"
		-o "Dir::Cache=$dir" -o "Dir::Cache::archives=$dir/archives"
		-o 'APT::Sandbox::User=root' -o 'APT::Install-Recommends=0' -o 'Debug::NoLocking=1')
	archives=$dir/archives
	# Lists of a day are new enough.
	if [ -z "$(find "$dir/updated" -mmin -1440 2>/dev/null)" ]; then
		apt-get "${apt[@]}" update -q >"$dir/update.log" 2>&1 || die "apt-get update: $(tail -1 "$dir/update.log")"
		touch "$dir/updated"
	fi
}

# download PACKAGE...: with all that they need, into $archives; prints the files' names.
download() {
	local log=$archives/../download.log
	rm -f "$archives"/*.deb
	apt-get "${apt[@]}" install -y -q --print-uris "$@" 2>"$log" | sed -n "s/^'[^']*' \([^ ]*\.deb\) .*/\1/p"
	apt-get "${apt[@]}" install -y -q --download-only "$@" >>"$log" 2>&1 </dev/null ||
		die "apt-get: $(grep '^E:' "$log" | head -1)"
}

unpack() {
	dpkg-deb --fsys-tarfile "$1" | tar -x --keep-directory-symlink --no-same-owner -C "$2" "${@:3}"
}

fetch_kernel() {
	local version=$1 arch=$2 dir=$VM_CACHE/kernel-$1-$2 package file
	if [ ! -e "$dir/done" ]; then
		use_apt "$arch"
		case $version in
		6.1) package=linux-image-$arch ;;
		[0-9].[0-9] | [0-9].[0-9][0-9]) package=linux-image-$version-$arch ;;
		*) package=linux-image-$version ;;
		esac
		# The newest one that the package of that line depends on.
		file=$(apt-cache "${apt[@]}" depends "$package" 2>/dev/null |
			sed -n 's/^ *Depends: \(linux-image-[0-9][^ ]*\)$/\1/p') || file=
		package=${file:-$package}
		rm -rf "$dir"
		mkdir -p "$dir"
		rm -f "$archives"/*.deb
		(cd "$archives" && apt-get "${apt[@]}" download -q "$package" >../download.log 2>&1) ||
			die "no package $package: $(tail -1 "$archives/../download.log")"
		unpack "$(echo "$archives/$package"_*.deb)" "$dir"
		rm -f "$archives"/*.deb
		mkdir -p "$dir/lib"
		set -- "$dir"/lib/modules/*
		[ -d "$1" ] || die "$package holds no modules"
		cp "$dir"/boot/vmlinuz-* "$dir/vmlinuz"
		depmod -b "$dir" "${1##*/}"
		touch "$dir/done"
	fi
	echo "$dir"
}

# unpack_all PACKAGE...: with all that they need, into a new $dir whose /usr holds everything.
unpack_all() {
	local file list=$VM_CACHE/packages-${dir##*/}
	rm -rf "$dir"
	mkdir -p "$dir"/usr/{bin,sbin,lib,lib64}
	for file in bin sbin lib lib64; do ln -s "usr/$file" "$dir/$file"; done
	download "$@" >"$list"
	while read -r file; do
		unpack "$archives/$file" "$dir" --exclude=./usr/share/doc --exclude=./usr/share/man \
			--exclude=./usr/share/locale
	done <"$list"
	rm -f "$archives"/*.deb
}

fetch_root() {
	local arch=$1 dir=$VM_CACHE/root-$1
	if [ ! -e "$dir/done" ] || [ "$(cat "$dir/done")" != "$packages" ]; then
		use_apt "$arch"
		# shellcheck disable=SC2046,SC2086 # words
		unpack_all $packages $(apt-cache "${apt[@]}" dumpavail |
			awk -v RS= '/\nEssential: yes/ { print $2 }')
		mkdir -p "$dir"/{proc,sys,dev,run,tmp,var/tmp,src,out,etc,root,mnt,usr/lib/modules}
		# What the packages' scripts would have done, as far as a guest needs it.
		ln -sf mawk "$dir/usr/bin/awk"
		cp "$dir/usr/share/base-passwd/passwd.master" "$dir/etc/passwd"
		cp "$dir/usr/share/base-passwd/group.master" "$dir/etc/group"
		echo '127.0.0.1 localhost bpfahead-guest' >"$dir/etc/hosts"
		ln -sf /proc/self/mounts "$dir/etc/mtab"
		echo "$packages" >"$dir/done"
	fi
	echo "$dir"
}

fetch_sysroot() {
	local arch=$1 dir=$VM_CACHE/sysroot-$1 link
	if [ ! -e "$dir/done" ] || [ "$(cat "$dir/done")" != "$libraries" ]; then
		use_apt "$arch"
		# shellcheck disable=SC2086 # words
		unpack_all $libraries
		# Else they would lead the linker to this host's libraries.
		find "$dir" -type l -lname '/*' | while read -r link; do
			ln -sfnr "$dir$(readlink "$link")" "$link"
		done
		echo "$libraries" >"$dir/done"
	fi
	echo "$dir"
}

# One at a time: guests that start together fetch together.
mkdir -p "$VM_CACHE"
exec {lock_fd}>"$VM_CACHE/lock"
flock "$lock_fd"

case ${1:-} in
kernel) fetch_kernel "$2" "$3" ;;
root) fetch_root "$2" ;;
sysroot) fetch_sysroot "$2" ;;
*)
	echo 'usage: fetch.sh kernel VERSION ARCH | root ARCH | sysroot ARCH' >&2
	exit 2
	;;
esac
