#!/bin/sh
# Turn a base system into the machine image. Runs as root inside it, from the directory that also
# holds packages/ and rootfs/, and takes that directory away at the end.
#
#   install.sh             install the packages, then configure
#   install.sh configure   configure only: the packages are there already (mmdebstrap put them in)
set -eu

source=$(cd "$(dirname "$0")" && pwd)
lib=/usr/local/lib/dinv

fail() {
	printf 'install.sh: %s\n' "$*" >&2
	exit 1
}

# Manual pages, translations and programs that nobody runs in a machine. Before anything is installed, and for
# what is installed in a machine, or in an image made from this one, as well.
leave_out() {
	[ ! -d /etc/dpkg/dpkg.cfg.d ] || cp "$source/packages/debian.exclude" /etc/dpkg/dpkg.cfg.d/dinv
}

# packages FILE: the names in it, without comments and blank lines.
packages() {
	sed -e 's/#.*//' -e '/^[[:space:]]*$/d' "$source/packages/$1"
}

install_packages() {
	if command -v tdnf >/dev/null 2>&1; then
		# The names hold no blanks: to be split is what they are here for.
		# shellcheck disable=SC2046
		tdnf install -y $(packages photon.txt)
		tdnf install -y tini || printf 'install.sh: no package tini: docker-init is used\n' >&2
		tdnf clean all
		rm -rf /var/cache/tdnf /usr/share/doc/* /usr/share/info/* /usr/share/locale/* /usr/share/man/*
		rm -f /usr/bin/ctr /usr/bin/containerd-shim /usr/bin/containerd-shim-runc-v1
	elif command -v apt-get >/dev/null 2>&1; then
		export DEBIAN_FRONTEND=noninteractive
		! installed perl || perl_stays=yes
		apt-get update
		# shellcheck disable=SC2046
		apt-get install -y --no-install-recommends $(packages debian.txt)
	else
		fail 'neither tdnf nor apt-get is here: the base has to be Photon OS, Debian or Ubuntu'
	fi
}

installed() {
	[ "$(dpkg-query --show --showformat '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# Debian's git depends on all of Perl, 50 MB, for a few commands that are not used here, such as `git instaweb`.
# perl-base, with the modules that Debian's own scripts need, stays. The dependency is taken out of dpkg's
# records too, or else apt would refuse to install anything before Perl is back.
without_perl() {
	installed perl && installed git && [ -z "${perl_stays-}" ] || return 0
	sed -i '/^Package: git$/,/^$/ { /^Depends:/ s/, \(perl\|liberror-perl\)\( ([^)]*)\)\{0,1\}//g }' /var/lib/dpkg/status
	# The names hold no blanks: to be split is what they are here for.
	# shellcheck disable=SC2046
	dpkg --purge $(dpkg-query --show --showformat '${Package}\n' |
		grep -E -x 'perl|liberror-perl|perl-modules-.*|libperl5.*|libgdbm.*') >/dev/null ||
		printf 'install.sh: something needs Perl: it stays\n' >&2
}

# One file where git has two that are the same.
join_twins() {
	! cmp -s /usr/bin/git /usr/lib/git-core/git || ln -f /usr/bin/git /usr/lib/git-core/git
}

configure() {
	cp -R "$source/rootfs/." /
	chown -R root:root "$lib"
	# Archives and package formats on the way here do not all keep modes.
	chmod 0755 "$lib" "$lib/activity" "$lib/dockerd" "$lib/entrypoint" "$lib/front" "$lib/healthcheck" "$lib/pending" \
		"$lib/services"
	chmod 0644 "$lib"/*.sh "$lib/haproxy.cfg" "$lib/merge.jq"

	if [ ! -x /usr/bin/tini ]; then
		init=$(command -v docker-init) || fail 'neither tini nor docker-init is here'
		ln -s "$init" /usr/bin/tini
	fi

	mkdir -p /etc/dinv/certs /etc/dinv/services "$lib/services.d" "$lib/ready.d" /etc/docker /var/lib/docker
	chmod 0700 /etc/dinv/certs
	# Where docker-machine's machines have them, and its users' scripts look.
	mkdir -p /var/lib/boot2docker
	for file in ca.pem server.pem server-key.pem; do
		ln -sf "/etc/dinv/certs/$file" "/var/lib/boot2docker/$file"
	done

	# An iptables for each variant, under the plain names: the entrypoint chooses the directory.
	if command -v iptables-nft >/dev/null && command -v iptables-legacy >/dev/null; then
		for variant in nft legacy; do
			mkdir -p "$lib/iptables-$variant"
			for family in iptables ip6tables; do
				for action in '' -save -restore; do
					ln -sf "$(command -v "$family-$variant$action")" "$lib/iptables-$variant/$family$action"
					ln -sf "/run/dinv/iptables/$family$action" "/usr/local/sbin/$family$action"
				done
			done
		done
	fi

	grep -q '^docker:' /etc/group || groupadd --system docker
	if ! grep -q '^docker:' /etc/passwd; then
		useradd --uid 1000 --gid docker --create-home --shell /bin/bash docker
	fi
	printf 'docker ALL=(ALL) NOPASSWD: ALL\n' >/etc/sudoers.d/docker
	chmod 0440 /etc/sudoers.d/docker

	for needed in dockerd docker containerd runc haproxy jq socat flock iptables curl mount pgrep pkill sudo openssl ip ps git rsync; do
		command -v "$needed" >/dev/null || fail "$needed did not get installed"
	done
	# Where `dinv mount` looks for it.
	[ -x /usr/lib/openssh/sftp-server ] || [ -x /usr/libexec/sftp-server ] ||
		fail 'sftp-server did not get installed'
	# openssh-server, where it is, may have made host keys, which would be the same in every machine.
	rm -f /etc/ssh/ssh_host_*
	versions >"$lib/versions"
}

# What `dinv image ls` shows: NAME VERSION on each line.
versions() {
	printf 'docker %s\n' "$(dockerd --version | sed 's/^Docker version \([^, ]*\).*/\1/')"
	printf 'containerd %s\n' "$(containerd --version | cut -d ' ' -f 3)"
	printf 'runc %s\n' "$(runc --version | sed -n 's/^runc version //p')"
	if [ -s /etc/debian_version ] && grep -q '^ID=debian' /etc/os-release; then
		printf 'base Debian %s\n' "$(cat /etc/debian_version)"
	else
		# shellcheck source=/dev/null
		(. /etc/os-release && printf 'base %s %s\n' "$NAME" "${VERSION_ID-}")
	fi
}

# What differs from one build to the next for no reason, or would be the same in every machine.
clean() {
	rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /var/cache/apt/archives/*.deb \
		/var/cache/debconf/*-old /var/lib/dpkg/*-old /var/cache/ldconfig/aux-cache
	rm -f /var/log/*.log /var/log/apt/* /etc/passwd- /etc/group- /etc/shadow- /etc/gshadow- /etc/subuid- /etc/subgid-
	# The day of the build, which is not when a password was changed: there are no passwords.
	sed -i 's/^\([^:]*:[^:]*\):[0-9]*:/\1::/' /etc/shadow
	# A machine's identity is its own: an empty file is filled at first boot by what needs it.
	[ ! -e /etc/machine-id ] || : >/etc/machine-id
	# A mirror's password is the builder's, not the image's.
	for list in /etc/apt/sources.list /etc/apt/sources.list.d/*; do
		[ ! -f "$list" ] || sed -i 's#://[^/@[:space:]]*@#://#' "$list"
	done
	rm -rf "$source"
}

# What is newer than the file $1 has been made by this build. Nothing is made in any directory but /tmp after that.
settle_times() {
	find / -xdev -newer "$1" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} + 2>/dev/null || :
	rm -f "$1"
	touch -d "@$SOURCE_DATE_EPOCH" /tmp
}

started=$(mktemp)
leave_out
case "${1-}" in
'') install_packages ;;
configure)
	# mmdebstrap has put the host's there.
	: >/etc/hostname
	: >/etc/resolv.conf
	;;
*) fail "unknown argument: $1" ;;
esac
without_perl
join_twins
configure
clean
# mmdebstrap does it by itself.
if [ -n "${SOURCE_DATE_EPOCH-}" ] && [ "${1-}" != configure ]; then
	settle_times "$started"
fi
rm -f "$started"
