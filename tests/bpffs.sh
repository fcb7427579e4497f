#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Mounts bpffs where systemd or the distribution would have, if nobody has.
set -euo pipefail
mountpoint -q /sys/fs/bpf && exit 0
echo 'Mounting the bpf file system on /sys/fs/bpf'
mount -t bpf bpf /sys/fs/bpf
