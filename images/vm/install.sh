#!/bin/sh
# What a machine's root needs besides to be a virtual machine, made of the bare files of Debian packages: mmdebstrap has
# extracted them, and busybox runs this in their file system, where nothing is set up. Left at the end are /vmlinuz,
# /modules, /busybox and, for PCs that start from a disk, /grub.
set -eu

source=/tmp/dinv-image
busybox=/usr/bin/busybox

fail() {
	printf 'install.sh: %s\n' "$*" >&2
	exit 1
}

# It removes most of the system that it runs in.
[ "$0" = "$source/install.sh" ] || fail "this runs in a file system that is being made, from $source"

$busybox mkdir -p /tmp/tools
$busybox --install -s /tmp/tools
PATH=/tmp/tools:/usr/sbin:/usr/bin
# Packages have their programs in /usr; these links, which programs are linked with, come with a set-up system only.
for name in lib lib64 bin sbin; do
	[ -e "/$name" ] || ln -s "usr/$name" "/$name"
done

set -- /usr/lib/modules/*
if [ $# -ne 1 ] || [ ! -d "$1" ]; then
	fail "one kernel was wanted, and these have come: $*"
fi
version=${1##*/}
[ -f "/boot/vmlinuz-$version" ] || fail "the package of kernel $version has no /boot/vmlinuz-$version"
[ -e /usr/sbin/depmod ] || ln -s ../bin/kmod /usr/sbin/depmod
rm -f /tmp/tools/depmod
depmod "$version"
mv "/boot/vmlinuz-$version" /vmlinuz
mv "$busybox" /busybox

mkdir /grub
if [ -d /usr/lib/grub/i386-pc ]; then
	# The partition is the first of the disk that GRUB itself was read from.
	grub-mkimage --format i386-pc --directory /usr/lib/grub/i386-pc --prefix '(,msdos1)/boot/grub' \
		--output /grub/core.img biosdisk part_msdos ext2 normal linux configfile serial terminal echo sleep
	cp /usr/lib/grub/i386-pc/boot.img /grub/
fi

/busybox rm -rf /tmp/kept
/busybox mkdir -p /tmp/kept
/busybox mv /usr/lib/modules /tmp/kept/
# mmdebstrap has still to tidy up in /etc and /var.
for path in /usr /lib /lib64 /bin /sbin /boot /tmp/tools "$source"; do
	/busybox rm -rf "$path"
done
/busybox mv /tmp/kept/modules /modules
