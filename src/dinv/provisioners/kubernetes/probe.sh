# What the kernel, as a machine's container sees it, has of what Kubernetes needs. Run by `sh -c` in a container like
# the machine's own, which is thrown away. Prints NAME=VALUE, one a line, and changes nothing outside the container.
# shellcheck shell=sh
have() { printf '%s=%s\n' "$1" "$2"; }
try() {
	name=$1
	shift
	if "$@" >/dev/null 2>&1; then have "$name" yes; else have "$name" no; fi
}

# The programs of the distribution and the image's supervisor of services: its arguments.
for program in "$@"; do
	if [ -f "$program" ] && [ -x "$program" ]; then have "program:$program" yes; else have "program:$program" no; fi
done

# An open that succeeds is what counts: the device may be there and be refused.
try kmsg sh -c ': </dev/kmsg'
# The value that it has already. By cat: a shell that reads a byte at a time finds the file's end after the first.
forwarding() { value=$(cat /proc/sys/net/ipv4/ip_forward) && echo "$value" >/proc/sys/net/ipv4/ip_forward; }
try sysctl-net forwarding
try sysctl-kernel test -w /proc/sys/kernel/panic

# Controllers: those of v2 are listed; those of v1 each have a directory.
if [ -f /sys/fs/cgroup/cgroup.controllers ]; then
	have cgroup v2
	read -r controllers </sys/fs/cgroup/cgroup.controllers
else
	have cgroup v1
	controllers=$(cut -d: -f2 /proc/self/cgroup | tr ',\n' '  ')
fi
for controller in cpu cpuset memory pids; do
	case " $controllers " in
	*" $controller "*) have "cgroup-$controller" yes ;;
	*) have "cgroup-$controller" no ;;
	esac
done

# A file system in memory stands for the volume: what lies on the container's own layer cannot be stacked again.
overlay() {
	mkdir -p /run/dinv-probe && mount -t tmpfs dinv-probe /run/dinv-probe && cd /run/dinv-probe &&
		mkdir lower upper work merged && mount -t overlay -o lowerdir=lower,upperdir=upper,workdir=work overlay merged
}
try overlay overlay
try propagation mount --make-rshared /

try vxlan ip link add dinv-probe type vxlan id 1 dstport 8472
try br_netfilter test -e /proc/sys/net/bridge/bridge-nf-call-iptables

# Rules as kube-proxy and flannel make them, in this container's own network namespace. Images of dinv's have both kinds
# of iptables; whichever takes more of them is the one that the machine chooses.
rules() {
	"$1" -w -t nat -N DINV-PROBE || return 1
	"$1" -w -t filter -N DINV-PROBE
	for each in 'comment:nat:-m comment --comment x -j RETURN' 'addrtype:nat:-m addrtype --dst-type LOCAL -j RETURN' \
		'conntrack:filter:-m conntrack --ctstate ESTABLISHED -j RETURN' 'mark:nat:-j MARK --or-mark 0x4000' \
		'statistic:nat:-m statistic --mode random --probability 0.5 -j RETURN' \
		'multiport:filter:-p tcp -m multiport --dports 80,443 -j RETURN' \
		'masquerade:nat:-j MASQUERADE' 'reject:filter:-j REJECT'; do
		name=${each%%:*}
		rest=${each#*:}
		# The words of a rule are to be split.
		# shellcheck disable=SC2086
		"$1" -w -t "${rest%%:*}" -A DINV-PROBE ${rest#*:} && echo "iptables-$name=yes" || echo "iptables-$name=no"
	done 2>/dev/null
	# A set that is not there is refused in other words by a kernel that has sets.
	case "$("$1" -w -t filter -A DINV-PROBE -m set --match-set dinv-probe src -j RETURN 2>&1)" in
	*"doesn't exist"*) echo ipset=yes ;;
	*) echo ipset=no ;;
	esac
}
best=''
for iptables in /usr/local/lib/dinv/iptables-nft/iptables /usr/local/lib/dinv/iptables-legacy/iptables iptables; do
	found=$(rules "$iptables" 2>/dev/null) || continue
	case "$found" in
	*=no*) [ -n "$best" ] || best=$found ;;
	*)
		best=$found
		break
		;;
	esac
done
printf '%s\n' "${best:-iptables=no}"

have memory "$(sed -n 's/^MemTotal: *\([0-9]*\) kB/\1/p' /proc/meminfo)"
have cpus "$(nproc)"
have end yes
