#!/bin/busybox sh
# First process of every guest: finds the disks and hands over to the real root.
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
exec </dev/console >/dev/console 2>&1

for module in /modules/*; do
    [ -e "$module" ] && insmod "$module"
done

fail() {
    echo "aa-vmtest: $*"
    ls -l /dev/vd* /dev/aa.* /sys/bus/virtio/devices
    [ -e /dev/aa.control ] && echo "fail $*" >/dev/aa.control && sleep 30
    poweroff -f
}

# The streams to the host, by the names the host gave them.
name_ports() {
    for port in /sys/class/virtio-ports/*; do
        [ -e "$port/name" ] && read -r name <"$port/name" && ln -sf "${port##*/}" "/dev/$name"
    done
}

# All of them, each as a device: what is written to a name that is none yet becomes a file, and reaches nobody.
all_there() {
    for disk in vda vdb vdc; do
        [ -b "/dev/$disk" ] || return 1
    done
    for stream in stdout stderr control; do
        [ -c "/dev/aa.$stream" ] || return 1
    done
}

tries=0
until all_there; do
    tries=$((tries + 1))
    name_ports
    [ "$tries" -gt 100 ] && fail "the guest does not see its disks, or no way to the host"
    sleep 0.1
done

mount -t ext4 /dev/vda /root || fail "cannot mount the root disk"
mount -t tmpfs -o mode=755 tmpfs /root/run
mkdir -p /root/run/aa-vmtest /root/run/aa-job
cp /guest/* /root/run/aa-vmtest/
mount -t ext4 -o ro /dev/vdb /root/run/aa-job || fail "cannot mount the job disk"
mkdir -p /root/usr/lib/modules
mount -t ext4 -o ro /dev/vdc /root/usr/lib/modules || fail "cannot mount the modules disk"
for dir in dev proc sys; do
    mount --move "/$dir" "/root/$dir"
done

# Where nothing like udev makes them.
for link in fd:/proc/self/fd stdin:/proc/self/fd/0 stdout:/proc/self/fd/1 stderr:/proc/self/fd/2; do
    ln -sf "${link#*:}" "/root/dev/${link%%:*}"
done

case " $(cat /root/proc/cmdline) " in
*" aa.init=systemd "*) exec switch_root /root /run/aa-vmtest/init-systemd ;;
*) exec switch_root /root /run/aa-vmtest/init-light ;;
esac
