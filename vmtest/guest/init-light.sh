#!/bin/bash
# Process 1 without systemd: the mounts a Debian system has, loopback, then the job.
. /run/aa-vmtest/lib.sh
mount --all --fstab /run/aa-vmtest/fstab
for controller in $(</sys/fs/cgroup/cgroup.controllers); do
    echo "+$controller" >/sys/fs/cgroup/cgroup.subtree_control
done
mkdir -p /run/lock /run/user
echo guest >/proc/sys/kernel/hostname
prepare
setsid --wait /run/aa-vmtest/job
poweroff -ff
