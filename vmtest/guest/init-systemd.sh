#!/bin/bash
# Becomes systemd, with one target of ours and without what a test machine does not need.
. /run/aa-vmtest/lib.sh
prepare
units=/run/systemd/system
mkdir -p $units
for unit in systemd-udevd.service systemd-udev-trigger.service systemd-udevd-control.socket systemd-udevd-kernel.socket \
    systemd-timesyncd.service systemd-random-seed.service systemd-update-utmp.service systemd-journal-flush.service \
    systemd-hwdb-update.service systemd-journal-catalog-update.service systemd-update-done.service systemd-logind.service \
    systemd-modules-load.service systemd-remount-fs.service systemd-binfmt.service systemd-tpm2-setup.service \
    systemd-tpm2-setup-early.service systemd-pcrmachine.service systemd-pcrphase-sysinit.service systemd-boot-random-seed.service \
    systemd-firstboot.service ldconfig.service kmod-static-nodes.service systemd-user-sessions.service systemd-machine-id-commit.service \
    dev-hugepages.mount dev-mqueue.mount proc-sys-fs-binfmt_misc.automount sys-fs-fuse-connections.mount sys-kernel-config.mount \
    modprobe@configfs.service modprobe@fuse.service modprobe@drm.service modprobe@efi_pstore.service modprobe@dm_mod.service \
    modprobe@loop.service getty.target timers.target paths.target; do
    ln -s /dev/null $units/$unit
done
cat >$units/aa-job.service <<UNIT
[Unit]
After=basic.target
[Service]
Type=oneshot
ExecStart=/run/aa-vmtest/job
TimeoutStartSec=infinity
Delegate=yes
UNIT
cat >$units/aa-job.target <<UNIT
[Unit]
Requires=basic.target aa-job.service
UNIT
exec /usr/lib/systemd/systemd
