# Sourced by the entrypoint: what a container needs before a Docker daemon can run in it.
# Every step is one that some kernel, runtime or privilege makes unnecessary: a step that fails
# says so in one line, and the start goes on. dockerd fails by itself if it was needed after all.
# The entrypoint sets what is used here and not assigned (SC2154).
# shellcheck shell=sh disable=SC2154

prepare() {
	prepare_cgroups
	# Bind mounts with propagation, as Kubernetes and CSI use them, need a shared root.
	mount --make-rshared / 2>/dev/null || say 'the root mount stays private: volumes with :rshared will not work'
	choose_iptables
	prepare_network
}

# The container's own file system outlives its processes. What a killed daemon left in /run names
# processes and sockets that are gone (dockerd refuses to start beside its old pid file).
remove_stale() {
	rm -rf "$run" "$socket" /var/run/docker.pid /var/run/docker /run/containerd
	mkdir -p "$run"
}

prepare_cgroups() {
	mounts=$(grep ' /sys/fs/cgroup' /proc/self/mountinfo) || {
		say 'no cgroups are mounted at /sys/fs/cgroup: limits will not work'
		return
	}
	# Fields (proc_pid_mountinfo(5)): id parent dev root POINT OPTIONS optional... - TYPE source ...
	while read -r _ _ _ _ point options rest; do
		case ",$options," in
		*,ro,*)
			case "$rest" in
			*'- cgroup '* | *'- cgroup2 '*)
				mount -o remount,bind,rw "$point" 2>/dev/null ||
					say "$point stays read-only: needs CAP_SYS_ADMIN; limits will not work"
				;;
			esac
			;;
		esac
		case "$point $rest" in
		'/sys/fs/cgroup '*'- cgroup2 '*) nest_cgroup2 /sys/fs/cgroup ;;
		'/sys/fs/cgroup '*'- cgroup '*) spread_cgroup1 "${rest##* }" ;;
		esac
	done <<END
$mounts
END
}

# spread_cgroup1 OPTIONS: all controllers of cgroup v1 in one mount at /sys/fs/cgroup, as a VM of VIC has them, which
# runc takes, and containerd does not: it looks for a directory for each controller, in the one above the first mount
# that it finds. So that mount goes to a directory of its own, and each controller gets a link to it, as
# systemd does for those that share a hierarchy.
spread_cgroup1() {
	controllers=$(grep -v '^#' /proc/cgroups | while read -r name _; do
		case ",$1," in
		*",$name,"*) printf '%s,' "$name" ;;
		esac
	done)
	controllers=${controllers%,}
	[ -n "$controllers" ] || return 0
	layout=$run/cgroup
	if ! {
		mkdir -p "$layout" && mount -t tmpfs -o mode=755 cgroup "$layout" && mount --make-private "$layout" &&
			mkdir "$layout/$controllers" && mount --bind /sys/fs/cgroup "$layout/$controllers" &&
			for name in $(printf %s "$controllers" | tr , ' '); do
				[ "$name" = "$controllers" ] || ln -s "$controllers" "$layout/$name"
			done &&
			umount /sys/fs/cgroup && mount --rbind "$layout" /sys/fs/cgroup
	}; then
		say 'the cgroups in one mount cannot be laid out: docker stats and OOM events will not work'
	fi
	umount -l "$layout/$controllers" "$layout" 2>/dev/null
}

# nest_cgroup2 ROOT: cgroup v2 allows controllers to be passed on only by a cgroup without processes
# of its own (cgroups(7), "no internal processes"), so the machine's processes move to a child.
nest_cgroup2() {
	if [ ! -e "$1/cgroup.type" ]; then
		# The real root, which is exempt. It is ours in a VM; in a container it is the endpoint's.
		read -r self </proc/self/cgroup
		[ "$self" = 0::/ ] || {
			say 'the cgroup namespace is the endpoint'\''s: run the machine with --cgroupns=private'
			return
		}
		pass_on_controllers "$1" || say 'some cgroup controllers are not available to containers'
		return
	fi
	mkdir -p "$1/init" 2>/dev/null || {
		say "$1 cannot be written: limits will not work"
		return
	}
	# In a loop: an exec into the machine starts a process in the root at any moment.
	tries=20
	while [ $tries -gt 0 ]; do
		while read -r pid; do
			# A process that has ended since, or is not in our pid namespace (0), cannot move.
			{ echo "$pid" >"$1/init/cgroup.procs"; } 2>/dev/null
		done <"$1/cgroup.procs"
		pass_on_controllers "$1" && return
		tries=$((tries - 1))
		sleep 0.02
	done
	say 'cgroup v2 controllers cannot be passed on to containers: limits will not work'
}

# pass_on_controllers ROOT: all that the cgroup has been given itself.
pass_on_controllers() {
	read -r controllers <"$1/cgroup.controllers" || return 0
	for controller in $controllers; do
		{ echo "+$controller" >"$1/cgroup.subtree_control"; } 2>/dev/null || return 1
	done
}

# Which iptables works is the kernel's choice, and made again at each start: a machine may wake up
# on another host. /usr/local/sbin has links through $run/iptables, for dockerd and people alike,
# when both variants are installed; with one there is nothing to choose.
choose_iptables() {
	[ -d "$lib/iptables-nft" ] || return 0
	variant=${DINV_IPTABLES-}
	case "$variant" in
	nft | legacy) ;;
	*)
		[ -z "$variant" ] || say "DINV_IPTABLES=$variant is neither nft nor legacy: choosing by trying"
		if has_legacy_rules || ! iptables_works nft; then
			if iptables_works legacy; then variant=legacy; else variant=nft; fi
		else
			variant=nft
		fi
		;;
	esac
	ln -s "$lib/iptables-$variant" "$run/iptables"
}

# Tables of the legacy kind in this network namespace: rules would be split between two kinds.
has_legacy_rules() {
	[ -r /proc/net/ip_tables_names ] && read -r table </proc/net/ip_tables_names && [ -n "$table" ]
}

# iptables_works VARIANT: with rules of the kinds that dockerd sets, in a chain that nothing calls.
iptables_works() {
	"$lib/iptables-$1/iptables-restore" --noflush >/dev/null 2>&1 <<END
*nat
:DINV-PROBE - [0:0]
-A DINV-PROBE -m addrtype --dst-type LOCAL -j RETURN
-A DINV-PROBE -p tcp -j DNAT --to-destination 127.0.0.1:1
COMMIT
*nat
-F DINV-PROBE
-X DINV-PROBE
COMMIT
END
}
