#!/bin/sh
# Run by mmdebstrap on the new root ($1) before it is packed. Changing it rebuilds the image.
set -e
echo guest >"$1/etc/hostname"
printf '127.0.0.1 localhost guest\n::1 localhost\n' >"$1/etc/hosts"
# The file system is made anew for each run, so one fixed id does no harm and saves systemd its first-boot work.
echo 00000000000000000000000000aa5e50 >"$1/etc/machine-id"
chroot "$1" useradd --create-home --uid 1000 --shell /bin/bash agent
rm -rf "$1/var/cache/apt/archives" "$1"/var/lib/apt/lists/* "$1/usr/share/doc" "$1/usr/share/man" "$1/usr/share/locale"
