# Sourced by the entrypoint and the health check: what the machine's daemon has to know of the network that
# the machine is on, and cannot find out by itself: who resolves names there, and how big a packet may be.
# Who sources it sets what is used here and not assigned (SC2154).
# shellcheck shell=sh disable=SC2154

# What runs now: "LOOPBACK UDP-PORT TCP-PORT" of the resolver that is made known, on one line.
dns_file=$run/dns
defaults_file=/etc/dinv/dockerd.defaults

# prepare_network: sets $dns, $dns_options and $mtu, what network_arguments makes arguments of dockerd from.
prepare_network() {
	dns='' dns_options='' mtu=''
	find_device
	[ -z "$device" ] || read -r mtu <"/sys/class/net/$device/mtu" || mtu=''
	share_resolver || dns=''
	clamp_mss
	# Asked for now, while the certificates are on their way. 1500 is what dockerd takes without being told.
	takes_defaults=''
	[ "${mtu:-1500}" -eq 1500 ] || case "$("$program" --help 2>/dev/null)" in
	*--default-network-opt*) takes_defaults=1 ;;
	esac
}

# The device that the default route leaves by; on a network without one, the first that is not the loopback's.
find_device() {
	device=''
	while read -r name destination _; do
		[ "$destination" != 00000000 ] || {
			device=$name
			break
		}
	done </proc/net/route
	[ -z "$device" ] || return 0
	for path in /sys/class/net/*; do
		[ "$path" = /sys/class/net/lo ] || device=${path#/sys/class/net/}
	done
}

# On a user-defined network Docker's resolver listens on 127.0.0.11 in the machine's network namespace, at
# ports of its own choice, where no container in the machine can reach it: dockerd leaves a loopback address
# out of what it tells its containers, and tells them 8.8.8.8 then. So a link-local address stands for it.
# Sets $dns to all nameservers, that one in the loopback's place; leaves it empty where dockerd needs no help.
share_resolver() {
	servers='' loopback=''
	while read -r word server rest; do
		case "$word" in
		nameserver) ;;
		options)
			dns_options="$dns_options $server $rest"
			continue
			;;
		*) continue ;;
		esac
		case "$server" in
		127.*)
			[ -z "$loopback" ] || continue
			loopback=$server
			own_address
			server=$address
			;;
		::1) continue ;;
		esac
		servers="$servers $server"
	done </etc/resolv.conf
	[ -n "$loopback" ] || return 0
	looks=50
	until resolver_ports "$loopback"; do
		looks=$((looks - 1))
		[ $looks -gt 0 ] || {
			say "the resolver at $loopback does not listen: containers get dockerd's own choice of DNS servers"
			return 1
		}
		sleep 0.01
	done
	if ! open_resolver 2>/dev/null; then
		say "containers cannot reach the resolver at $loopback: they get dockerd's own choice of DNS servers"
		return 1
	fi
	dns=$servers
	echo "$loopback $udp $tcp" >"$dns_file"
}

open_resolver() {
	# Bridges, all made later than this, let packets on to a loopback address; the machine's own devices do not.
	echo 1 >/proc/sys/net/ipv4/conf/default/route_localnet || return 1
	ip address replace "$address/32" dev lo || return 1
	{
		resolver_rules
		printf '%s\n' '*nat' "-A PREROUTING -d $address/32 -j DINV-DNS" "-A OUTPUT -d $address/32 -j DINV-DNS" COMMIT
		# Nothing else on the machine's loopback becomes reachable for containers.
		printf '%s\n' '*filter' '-A INPUT ! -i lo -d 127.0.0.0/8 -m conntrack ! --ctstate DNAT -j DROP' COMMIT
	} | iptables-restore --wait --noflush
}

# Sets $address: link-local, and another one in a machine on a machine, whose resolver asks that of the outer one
# from within the inner one's network. Made of the device's MAC address; 251 and 61 are primes.
own_address() {
	mac=''
	[ -z "$device" ] || read -r mac <"/sys/class/net/$device/address" || mac=''
	mac=${mac#*:*:}
	number=0x0
	while [ -n "$mac" ]; do
		number=$number${mac%%:*}
		case "$mac" in
		*:*) mac=${mac#*:} ;;
		*) mac='' ;;
		esac
	done
	address=169.254.$((64 + number / 251 % 61)).$((2 + number % 251))
}

# resolver_ports ADDRESS: sets $udp and $tcp to where somebody listens on it: port 53, or one there is.
resolver_ports() {
	octets=$1
	hex=''
	while [ -n "$octets" ]; do
		hex=$(printf %02X "${octets%%.*}")$hex
		case "$octets" in
		*.*) octets=${octets#*.} ;;
		*) octets='' ;;
		esac
	done
	listening_port udp "$hex" 07 && udp=$found && listening_port tcp "$hex" 0A && tcp=$found
}

# listening_port PROTOCOL HEX STATE: sets $found, from /proc/net/PROTOCOL (proc_pid_net(5)).
listening_port() {
	found=''
	while read -r _ local _ state _; do
		[ "${local%:*} $state" = "$2 $3" ] || continue
		found=$((0x${local#*:}))
		[ "$found" -ne 53 ] || break
	done <"/proc/net/$1"
	[ -n "$found" ]
}

# The chain with the ports, for iptables-restore: emptied first if it is there.
resolver_rules() {
	printf '%s\n' '*nat' ':DINV-DNS - [0:0]' \
		"-A DINV-DNS -p udp --dport 53 -j DNAT --to-destination $loopback:$udp" \
		"-A DINV-DNS -p tcp --dport 53 -j DNAT --to-destination $loopback:$tcp" COMMIT
}

# Docker's resolver has other ports after a restart of the endpoint's daemon that keeps the machine running.
follow_resolver() {
	[ -f "$dns_file" ] && read -r loopback was <"$dns_file" || return 0
	resolver_ports "$loopback" && [ "$udp $tcp" != "$was" ] || return 0
	resolver_rules | iptables-restore --wait --noflush && echo "$loopback $udp $tcp" >"$dns_file"
}

# network_arguments: an argument of dockerd on each line. Who has set one himself, in dockerd.args or in
# daemon.json, keeps it; dockerd takes none twice.
network_arguments() {
	[ -n "$dns" ] || [ "${mtu:-1500}" -ne 1500 ] || [ -s "$defaults_file" ] || return 0
	# A line break before each argument, the first one too.
	given=$({ echo; cat "$args_file"; echo; cat "$daemon_json"; } 2>/dev/null)
	is_set default-address-pool || is_set default-address-pools || print_address_pools
	is_set dns || for server in $dns; do
		echo "--dns=$server"
	done
	[ -z "$dns" ] || is_set dns-opt || is_set dns-opts || print_dns_options
	[ "${mtu:-1500}" -ne 1500 ] || return 0
	is_set mtu || echo "--mtu=$mtu"
	[ -z "$takes_defaults" ] || is_set default-network-opt || is_set default-network-opts ||
		for driver in bridge overlay; do
			echo "--default-network-opt=$driver=com.docker.network.driver.mtu=$mtu"
		done
}

# Subnets that dinv has chosen for networks in the machine, clear of those around it. Nothing else is taken from there.
print_address_pools() {
	[ ! -f "$defaults_file" ] || while IFS= read -r line || [ -n "$line" ]; do
		case "$line" in
		--default-address-pool=*) echo "$line" ;;
		esac
	done <"$defaults_file"
}

# What Docker writes beside its resolver's address, ndots:0, has dockerd resolve no names without a dot for networks
# that are made in the machine (moby: libnetwork/resolver.go, NdotsSet). dockerd takes it over unless there is
# another option, so where there is none, one says what holds without it.
print_dns_options() {
	others=''
	for option in $dns_options; do
		[ "$option" = ndots:0 ] || others="$others $option"
	done
	for option in ${others:-timeout:5}; do
		echo "--dns-opt=$option"
	done
}

# is_set OPTION: as an argument, or as a key of daemon.json.
is_set() {
	case "$given" in
	*"
--$1="* | *"
--$1
"* | *"\"$1\""*) return 0 ;;
	*) return 1 ;;
	esac
}

# Networks that are older than this start, or made by a dockerd from before 24, which knows no default for them,
# may have bigger packets than the machine's own: TCP at least is told, also where ICMP gets lost.
clamp_mss() {
	[ "${mtu:-1500}" -lt 1500 ] || return 0
	printf '%s\n' '*mangle' \
		'-A FORWARD -p tcp -m tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu' COMMIT |
		iptables-restore --wait --noflush 2>/dev/null ||
		say "iptables has no TCPMSS here: networks with an MTU above $mtu may hang"
}
