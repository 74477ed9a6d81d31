# Sourced by the entrypoint and by the front: the files that the dinv tool puts into the machine, checked and read.
# Nothing in them is ever evaluated by the shell, and no value from dockerd.env is ever printed.
# Who sources it sets what is used here and not assigned (SC2154).
# shellcheck shell=sh disable=SC2154

certs=/etc/dinv/certs
args_file=/etc/dinv/dockerd.args
env_file=/etc/dinv/dockerd.env
daemon_json=/etc/docker/daemon.json

# options_digest: of what dockerd reads at its start and at no other time.
options_digest() { cat "$args_file" "$env_file" /etc/dinv/dockerd.defaults 2>/dev/null | sha256sum; }

# reloadable_digest: of what it can be told while it runs (`dockerd reload`).
reloadable_digest() { cat /etc/dinv/daemon.json /dev/null 2>/dev/null | sha256sum; }

# Before dockerd is started: what it is started with. And, the latter alone, when it has been told of it.
note_options() { options_digest >/run/dinv/options && note_reloadable; }
note_reloadable() { reloadable_digest >/run/dinv/options.reloadable; }

# options_pending: whether dockerd uses others than there are now, or nobody can say.
options_pending() {
	read -r noted 2>/dev/null </run/dinv/options || return 0
	[ "$(options_digest)" = "$noted" ] || return 0
	read -r noted 2>/dev/null </run/dinv/options.reloadable || return 0
	[ "$(reloadable_digest)" != "$noted" ]
}

# What this image writes at the start of daemon.json, and recognises as its own there later.
ours='{"live-restore":'

# certificates_missing: the names of the files that are not there or not whole yet, if any.
certificates_missing() {
	missing=''
	for file in ca.pem server.pem server-key.pem; do
		is_whole_pem "$certs/$file" || missing="$missing $file"
	done
	[ -n "$missing" ]
}

# is_whole_pem FILE: its last line ends a PEM block, so it is not half written.
is_whole_pem() {
	[ -r "$1" ] || return 1
	last=''
	while IFS= read -r line || [ -n "$line" ]; do
		[ -z "$line" ] || last=$line
	done <"$1"
	case "$last" in
	'-----END '*) return 0 ;;
	*) return 1 ;;
	esac
}

# Exits 2 when they do not come in the time that DINV_WAIT_FOR_CERTS gives them: seconds, none by default.
wait_for_certificates() {
	allowed=${DINV_WAIT_FOR_CERTS:-0}
	allowed=${allowed%%.*}
	case "$allowed" in
	'' | *[!0-9]*)
		say "DINV_WAIT_FOR_CERTS=$DINV_WAIT_FOR_CERTS is not a number of seconds"
		exit 2
		;;
	esac
	read -r now _ </proc/uptime
	end=$((${now%%.*} + allowed))
	looks=0
	while certificates_missing; do
		read -r now _ </proc/uptime
		[ -z "$stopping" ] || exit 0
		if [ "${now%%.*}" -ge $end ]; then
			waited=''
			[ "$allowed" -eq 0 ] || waited=" after $allowed s"
			say "missing in $certs$waited:$missing. dinv create puts them there before the start;" \
				"by hand: docker cp each of ca.pem, server.pem and server-key.pem, then docker start"
			exit 2
		fi
		# dinv create has them ready when this runs, or a second later; nobody may ever bring any.
		if [ $looks -lt 200 ]; then
			looks=$((looks + 1))
			sleep 0.01
		else
			sleep 0.1
		fi
	done
	chmod 0600 "$certs/server-key.pem" 2>/dev/null || say "$certs/server-key.pem: its mode cannot be set to 0600"
}

# Says what is wrong with the files, and fails, when dockerd must not be started with them. At the first start the
# front looks at the certificates itself, while dockerd starts.
check_config() {
	looks=0
	while certificates_missing; do
		# New ones may be on their way just now: docker cp takes a file away before it writes the next.
		if [ $looks -ge 40 ] || [ -n "$stopping" ]; then
			say "missing or incomplete in $certs:$missing"
			return 1
		fi
		looks=$((looks + 1))
		sleep 0.05
	done
	check_args_file && check_env_file && { [ "$runs" -eq 0 ] || "$lib/front" check; }
}

# Clients come in by the front and by nothing else: dockerd has no listener of its own but its unix socket.
check_args_file() {
	[ -f "$args_file" ] || return 0
	while IFS= read -r line || [ -n "$line" ]; do
		case "$line" in
		-H* | -[!-]*H* | --host | --host=* | --hosts | --hosts=* | --tls*)
			say "$args_file: ${line%%=*} is refused: the machine listens on port 2376 with mutual TLS and nowhere else"
			return 1
			;;
		--containerd | --containerd=*)
			say "$args_file: --containerd is refused: the machine runs containerd itself"
			return 1
			;;
		--config-file | --config-file=*)
			say "$args_file: --config-file is refused: the file is $daemon_json"
			return 1
			;;
		esac
	done <"$args_file"
}

check_env_file() {
	[ -f "$env_file" ] || return 0
	number=0
	while IFS= read -r line || [ -n "$line" ]; do
		number=$((number + 1))
		case "$line" in
		'' | '#'*) continue ;;
		*=*) ;;
		*)
			say "$env_file: line $number is not KEY=VALUE"
			return 1
			;;
		esac
		case "${line%%=*}" in
		'' | [0-9]* | *[!A-Za-z0-9_]*)
			say "$env_file: line $number: the name before = may have letters, digits and _ only"
			return 1
			;;
		esac
	done <"$env_file"
}

# is_argument LINE: not blank, not a comment, not one that write_live_restore takes care of.
is_argument() {
	case "$1" in
	'' | '#'* | --live-restore | --live-restore=*) return 1 ;;
	*) return 0 ;;
	esac
}

# Call it in a subshell only: whatever the file names changes there.
export_env_file() {
	[ -f "$env_file" ] || return 0
	# The loop's own variable has a name that no setting of a daemon has.
	while IFS= read -r dinv_line || [ -n "$dinv_line" ]; do
		# shellcheck disable=SC2163 # the name is in the value: NAME=VALUE
		case "$dinv_line" in
		'' | '#'*) ;;
		*) export "$dinv_line" ;;
		esac
	done <"$env_file"
}

# live-restore keeps containers running while there is no dockerd. It is on from just before dockerd is restarted,
# or found dead, until the next one is ready, and off otherwise: a swarm cannot begin with it, and a machine that is
# stopped has to stop its containers. dockerd.args may say otherwise, for good: `--live-restore` or `...=false`; so may
# who writes it into daemon.json. It is in that file and not an argument of dockerd's, because only what is in the
# file can be changed while dockerd runs.
write_live_restore() {
	live_restore='' # as dockerd.args has it
	if [ -f "$args_file" ]; then
		while IFS= read -r line || [ -n "$line" ]; do
			case "$line" in
			--live-restore | --live-restore=true) live_restore=true ;;
			--live-restore=*) live_restore=false ;;
			esac
		done <"$args_file"
	fi
	wanted=$live_restore
	if [ -z "$wanted" ]; then
		# Before the first run there is nothing to be kept running.
		if [ "$runs" -eq 0 ] || in_swarm; then wanted=false; else wanted=true; fi
	fi
	set_live_restore "$wanted" || say "$daemon_json cannot be written: restarting dockerd may stop containers"
}

in_swarm() { [ -s /var/lib/docker/swarm/docker-state.json ]; }

# set_live_restore true|false: in daemon.json, whose other contents stay. A setting that somebody
# else put there stands.
set_live_restore() {
	if [ ! -s "$daemon_json" ]; then
		put_daemon_json "$ours$1}"
		return
	fi
	json=$(cat "$daemon_json") || return
	case "$json" in
	"$ours"*)
		json=${json#"$ours"}
		json=${json#true}
		json=${json#false}
		put_daemon_json "$ours$1$json"
		;;
	*'"live-restore"'*) ;;
	*'{'*)
		json=${json#*'{'}
		comma=,
		[ "$(printf '%s' "$json" | tr -d '[:space:]')" != '}' ] || comma=''
		put_daemon_json "$ours$1$comma$json"
		;;
	esac
}

put_daemon_json() {
	{ printf '%s\n' "$1" >"$daemon_json.new" && mv "$daemon_json.new" "$daemon_json"; } 2>/dev/null
}

# is_switched_here: whether live-restore goes on and off as this image would have it.
is_switched_here() {
	[ -z "$live_restore" ] || return 1
	read -r json 2>/dev/null <"$daemon_json"
	case "$json" in
	"$ours"*) return 0 ;;
	*) return 1 ;;
	esac
}

# Before dockerd is restarted.
live_restore_on() {
	! in_swarm && is_switched_here || return 0
	reload_live_restore true
}

# After it has been.
live_restore_settle() {
	[ "$runs" -gt 1 ] && ! in_swarm && is_switched_here || return 0
	reload_live_restore false || say 'dockerd does not take live-restore off: no swarm can begin before the next start'
}

# Before the machine stops. A setting that somebody else put into daemon.json is put back there afterwards.
live_restore_off() {
	info=$(api /info) || return 1
	case "$info" in
	*'"LiveRestoreEnabled":true'*) ;;
	*) return 0 ;;
	esac
	json=$(cat "$daemon_json" 2>/dev/null) || return 1
	reload_live_restore false
	reloaded=$?
	put_daemon_json "$json"
	return $reloaded
}

# reload_live_restore true|false: make the running dockerd take it; fails when it has not within some 3 s.
reload_live_restore() {
	changed=$(sed "s/\"live-restore\"[[:space:]]*:[[:space:]]*[a-z]*/\"live-restore\":$1/" "$daemon_json") || return 1
	put_daemon_json "$changed" || return 1
	kill -HUP "$dockerd" 2>/dev/null
	tries=60
	while [ $tries -gt 0 ]; do
		case "$(api /info)" in
		*"\"LiveRestoreEnabled\":$1"*) return 0 ;;
		esac
		sleep 0.05
		tries=$((tries - 1))
	done
	return 1
}
