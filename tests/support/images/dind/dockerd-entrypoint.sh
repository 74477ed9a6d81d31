#!/bin/sh
# Plays the entrypoint of Docker's docker:dind images, on top of dinv's own machine image (docker-library/docker:
# dockerd-entrypoint.sh): with DOCKER_TLS_CERTDIR mutual TLS on 2376, with the certificates that are in its
# `server` if there is no key of a CA beside them, else with new ones; without it plain TCP on 2375. What
# follows its name are dockerd's flags.
set -eu

say() { printf '%s\n' "$*" >&2; }

# sign DIRECTORY EXTENSIONS: a key and a certificate by the CA.
sign() {
	openssl genrsa -out "$1/key.pem" 4096
	openssl req -new -key "$1/key.pem" -subj '/CN=docker:dind' -out "$1/csr.pem"
	printf '%s\n' "$2" >"$1/openssl.cnf"
	openssl x509 -req -days 825 -in "$1/csr.pem" -extfile "$1/openssl.cnf" -out "$1/cert.pem" \
		-CA "$certs/ca/cert.pem" -CAkey "$certs/ca/key.pem" -CAcreateserial
	cp "$certs/ca/cert.pem" "$1/ca.pem"
}

generate() {
	mkdir -p "$certs/ca" "$certs/server" "$certs/client"
	openssl req -x509 -newkey rsa:4096 -nodes -days 825 -subj '/CN=docker:dind CA' \
		-keyout "$certs/ca/key.pem" -out "$certs/ca/cert.pem"
	sign "$certs/server" "subjectAltName=DNS:docker,DNS:localhost,IP:127.0.0.1"
	sign "$certs/client" "extendedKeyUsage=clientAuth"
}

if [ $# -eq 0 ] || [ "${1#-}" != "$1" ]; then
	certs=${DOCKER_TLS_CERTDIR-}
	if [ -n "$certs" ]; then
		if [ -s "$certs/ca/key.pem" ] || ! [ -s "$certs/server/ca.pem" ] || ! [ -s "$certs/server/cert.pem" ] ||
			! [ -s "$certs/server/key.pem" ]; then
			generate
		fi
		set -- --host=tcp://0.0.0.0:2376 --tlsverify --tlscacert "$certs/server/ca.pem" \
			--tlscert "$certs/server/cert.pem" --tlskey "$certs/server/key.pem" "$@"
	else
		set -- --host=tcp://0.0.0.0:2375 "$@"
	fi
	set -- dockerd --host=unix:///var/run/docker.sock "$@"
fi
[ "$1" = dockerd ] || exec "$@"
find /run /var/run -iname 'docker*.pid' -delete || :

# The real one prepares cgroup v2 only (moby: hack/dind), and is run with --privileged. It chooses its iptables.
lib=/usr/local/lib/dinv run=/run/dinv
mkdir -p "$run"
rm -f "$run/iptables"
# shellcheck source=images/rootfs/usr/local/lib/dinv/prepare.sh
. "$lib/prepare.sh"
set +e
mount --make-rshared /
choose_iptables
if [ -f /sys/fs/cgroup/cgroup.controllers ]; then
	mkdir -p /sys/fs/cgroup/init && nest_cgroup2 /sys/fs/cgroup
fi
exec /usr/bin/tini -s -- "$@"
