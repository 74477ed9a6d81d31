# Sourced by the entrypoint and by `dockerd`: options of the daemon that it takes while it runs. They have to be in
# daemon.json for that, and not among its arguments, so what dinv gives of them is merged into that file.
# Who sources it sets what is used here and not assigned (SC2154).
# shellcheck shell=sh disable=SC2154

given_json=/etc/dinv/daemon.json
# What the last merge has put into daemon.json: the next one takes it out first, and leaves all else there.
put_json=/etc/dinv/daemon.json.put

# The names of the keys that are merged, between spaces; empty if none are.
merged=' '

# merge_daemon_json: fails, and leaves all as it was, if the files cannot be read or written. What the image's owner,
# or somebody in the machine, wrote there stays: lists of theirs get dinv's entries as well; of other values dinv's
# hold for as long as it gives some.
merge_daemon_json() {
	merged=' '
	[ -s "$given_json" ] || [ -s "$put_json" ] || return 0
	current=$(cat "$daemon_json" 2>/dev/null)
	given=$(cat "$given_json" 2>/dev/null)
	before=$(cat "$put_json" 2>/dev/null)
	if ! lines=$(jq --null-input --compact-output --argjson current "${current:-"{}"}" \
		--argjson given "${given:-"{}"}" --argjson put "${before:-"{}"}" --from-file "$lib/merge.jq") ||
		! write_merged; then
		say "$daemon_json cannot be merged with $given_json"
		return 1
	fi
	merged=" $(printf '%s' "$keys" | tr -c 'a-z-' ' ') "
}

# write_merged: what jq has printed; a kill in between loses nothing of what there was.
write_merged() {
	{
		read -r json
		read -r keys
		read -r both
		read -r put
	} <<END
$lines
END
	# The entry of live-restore is this image's own where the file begins with it, and only there.
	case "$current" in
	"$ours"*) ;;
	*) json="{ ${json#'{'}" ;;
	esac
	write_file "$put_json" "$both" && write_file "$daemon_json" "$json" && write_file "$put_json" "$put"
}

# write_file FILE CONTENT: all of it or nothing.
write_file() {
	{ printf '%s\n' "$2" >"$1.new" && mv "$1.new" "$1"; } 2>/dev/null
}

# is_merged LINE: whether an argument of dockerd is in daemon.json: it takes no option in both places.
is_merged() {
	name=${1#--}
	name=${name%%=*}
	case "$merged" in
	*" $name "* | *" ${name}s "* | *" ${name%y}ies "*) return 0 ;;
	*) return 1 ;;
	esac
}
