#!/bin/sh
# The first process of the guest: its root is the host's, read-only; only $work (a directory of the test) is written to.
export TMPDIR=/run PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/run DM_DISABLE_UDEV=1 PYTHONDONTWRITEBYTECODE=1
mount -t proc none /proc
mount -t sysfs none /sys
mount -t devtmpfs none /dev 2>/dev/null

mount -t tmpfs none /run
mkdir /run/work /run/disk
mount -t hostfs none /run/work -o "$work"
python3 -c 'import fcntl, socket, struct
fcntl.ioctl(socket.socket(), 0x8914, struct.pack("16sh14x", b"lo", 0x41))'
modules=/usr/lib/uml/modules/$(uname -r)/kernel/drivers/md
for module in dm-mod dm-bufio dm-log-writes dm-snapshot; do
    [ ! -f "$modules/$module.ko" ] || insmod "$modules/$module.ko"
done
cd "$tests" && python3 guest.py $(cat /run/work/arguments) >/run/work/$phase.out 2>&1
echo $? >/run/work/$phase.rc
sync
python3 -c 'import ctypes; ctypes.CDLL(None).reboot(0x4321fedc)'
