#!/bin/sh
# Turn a Debian base system, or the bare files of its packages, into the image of a registry cache.
#
#   install.sh             in a base system: install the packages, then configure
#   install.sh configure   in the files that mmdebstrap has extracted, run by busybox: nothing is set up there,
#                          and all but what the registry needs is removed
set -eu

source=/tmp/dinv-image

fail() {
	printf 'install.sh: %s\n' "$*" >&2
	exit 1
}

# It removes most of the system that it runs in.
[ "$0" = "$source/install.sh" ] || fail "this runs in an image that is being built, from $source"

case "${1-}" in
'')
	export DEBIAN_FRONTEND=noninteractive
	apt-get update
	# The names hold no blanks: to be split is what they are here for.
	# shellcheck disable=SC2046
	apt-get install -y --no-install-recommends \
		$(sed -e 's/#.*//' -e '/^[[:space:]]*$/d' "$source/packages/debian.txt")
	rm -rf /var/lib/apt/lists/*
	;;
configure)
	/usr/bin/busybox mkdir -p /tmp/tools
	/usr/bin/busybox --install -s /tmp/tools
	PATH=/tmp/tools:/usr/bin
	cat /usr/share/ca-certificates/mozilla/*.crt >/tmp/ca-certificates.crt
	kept=/tmp/kept
	mkdir -p "$kept"
	# glibc, which the registry is linked with, and what it loads to look up names.
	for library in libc libresolv libpthread libdl libnss_dns libnss_files ld-linux-x86-64 ld-linux-aarch64; do
		for path in /usr/lib/*-linux-gnu/"$library".so.* /usr/lib/"$library".so.*; do
			[ ! -e "$path" ] || {
				mkdir -p "$kept$(dirname "$path")"
				cp -a "$path" "$kept$path"
			}
		done
	done
	[ ! -d /usr/lib64 ] || cp -a /usr/lib64 "$kept/usr/"
	for path in /usr/* /usr/lib/* /usr/bin/*; do
		case $path in
		/usr/lib | /usr/bin | /usr/bin/busybox | /usr/bin/docker-registry) ;;
		*) rm -rf "$path" ;;
		esac
	done
	cp -a "$kept/usr/." /usr/
	rm -rf "$kept"
	/usr/bin/busybox --install -s /usr/bin
	PATH=/usr/bin
	rm -rf /tmp/tools
	mkdir -p /etc/ssl/certs /usr/sbin /var/lib
	mv /tmp/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
	printf 'root:x:0:0:root:/root:/bin/sh\n' >/etc/passwd
	printf 'root:x:0:\n' >/etc/group
	printf 'hosts: files dns\n' >/etc/nsswitch.conf
	;;
*) fail "unknown argument: $1" ;;
esac

cp -R "$source/rootfs/." /
# Archives on the way here do not all keep modes.
chmod 0755 /usr/local/lib/dinv-cache/*
mkdir -p /etc/dinv-cache /var/lib/registry
chmod 0700 /etc/dinv-cache
for needed in docker-registry busybox; do
	command -v "$needed" >/dev/null || fail "$needed did not get installed"
done
docker-registry --version
rm -rf "$source"
