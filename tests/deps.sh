#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# deps.sh GROUP... - install the packages that are missing, through the
# distribution's package manager. Groups: run test bench effect lint peers
# vm vm-arm64 compilers veristat.
set -euo pipefail

# The names are Debian's and Ubuntu's; one line per group.
run='make gcc libc6-dev clang llvm libbpf-dev libelf-dev zlib1g-dev libseccomp-dev
	libcjson-dev libinih-dev mount'
# The first four: exchange of models as ONNX, and files of it to test with. Then a browser for the
# report, a FUSE file system, and what reads the units.
test="libonnx-dev libprotobuf-c-dev protobuf-c-compiler protobuf-compiler
	fonts-dejavu-core bindfs systemd
	libcmocka-dev libxml2-utils perl fio jq procps fdisk strace e2fsprogs btrfs-progs xfsprogs util-linux
	xxd"
bench="e2fsprogs fio jq perl procps util-linux xxd"
# The programs whose readahead the proof measures (make bench-effect), and what its slow disk is made of.
effect='rocksdb-tools sqlite3 postgresql libfuse3-dev'
# shellcheck disable=SC2034 # read by name below
lint='clang-format clang-tidy shellcheck'
# For comparison only (make peers); more than a gigabyte.
# shellcheck disable=SC2034
peers='g++ libtorch-dev python3-torch python3-sklearn python3-onnx python3-numpy'

# Guests (make vm, make test-vm). What runs in them is fetched by tests/vm/fetch.sh, not installed here.
# shellcheck disable=SC2034
vm='qemu-system-x86 kmod cpio xz-utils perl'
# shellcheck disable=SC2034
vm_arm64='qemu-system-arm gcc-aarch64-linux-gnu'

# The compilers beside the default one (make compilers).
# shellcheck disable=SC2034
compilers='clang-14 llvm-14 clang-16 llvm-16 clang-19 llvm-19'
# What prints the verifier's figures is built from the kernel's source (tests/veristat.sh).
# shellcheck disable=SC2034
veristat='linux-source-6.12 xz-utils gcc libc6-dev libelf-dev zlib1g-dev'

distribution=unknown like=
if [ -r /etc/os-release ]; then
	# shellcheck disable=SC1091
	distribution=$(. /etc/os-release && echo "${ID:-unknown}")
	# shellcheck disable=SC1091
	like=$(. /etc/os-release && echo "${ID_LIKE:-}")
fi

case " $distribution $like " in
*' ubuntu '*)
	bpftool=linux-tools-generic # no package of its own before 24.10
	browser=                    # a snap there; tests/e2e/report.t does without
	;;
*)
	bpftool=bpftool
	browser=chromium
	;;
esac
run+=" $bpftool" # links the BPF objects, too
test+=" $run $browser"
bench+=" $run"
effect+=" $bench"

wanted=()
for group; do
	case $group in
	run | test | bench | effect | lint | peers | vm | vm-arm64 | compilers | veristat)
		group=${group//-/_}
		read -r -d '' -a packages <<<"${!group}" || true
		;;
	*)
		echo "deps.sh: unknown group '$group' (run test bench effect lint peers vm vm-arm64 compilers veristat)" >&2
		exit 2
		;;
	esac
	wanted+=("${packages[@]}")
done
[ ${#wanted[@]} -gt 0 ] || {
	echo 'usage: deps.sh run|test|bench|effect|lint|peers|vm|vm-arm64|compilers|veristat...' >&2
	exit 2
}
mapfile -t wanted < <(printf '%s\n' "${wanted[@]}" | sort -u)

case " $distribution $like " in
*' debian '* | *' ubuntu '*) ;;
*)
	echo "deps.sh: do not know how to install packages on '$distribution'. Please install what" \
		"these Debian packages hold, then use 'make all test-build' and 'tests/run.sh':" >&2
	printf '  %s\n' "${wanted[@]}" >&2
	exit 1
	;;
esac

is_installed() {
	[ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

missing=()
for package in "${wanted[@]}"; do
	is_installed "$package" || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

sudo=()
[ "$(id -u)" = 0 ] || sudo=(sudo)
echo "Installing what is missing with apt-get: ${missing[*]}"
install=("${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q
	--no-install-recommends "${missing[@]}")
# A package list that is absent or too old shows as a failed install: then, and only then, update.
"${install[@]}" </dev/null || {
	"${sudo[@]}" apt-get update -q </dev/null
	"${install[@]}" </dev/null
}
