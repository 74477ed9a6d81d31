# daemon.json with the options of dinv's merged in: prints four lines of JSON. daemon.json as it is to be; the keys of
# dinv's file; what this merge puts in and what earlier ones did, for as long as it is not known which is in use; and
# what this one puts in.
#
#   $current   daemon.json as it is
#   $given     what dinv gives: numbers, switches, and lists of texts
#   $put       what the last merge put in. `put` has by key the entries of its lists, and the values of all else, in a
#              list; `hidden` the values that were there before those

# What is there without dinv, and so stays whatever dinv gives later.
(reduce ($put.put // {} | to_entries[]) as {key: $key, value: $values} ($current;
	if (.[$key] | type) == "array" then
		.[$key] -= $values | if .[$key] == [] then del(.[$key]) else . end
	elif .[$key] as $value | any($values[]; . == $value) then
		if $put.hidden // {} | has($key) then .[$key] = $put.hidden[$key] else del(.[$key]) end
	else . end)) as $base
# A switch that is left out stays as it was in a dockerd that runs: it has to be told that it is off.
| (reduce ($put.put // {} | to_entries[]) as {key: $key, value: $values} ($given;
	if has($key) or ($base | has($key)) then .
	elif any($values[]; . == true) then .[$key] = false
	else . end)) as $wanted
| (reduce ($wanted | to_entries[]) as {key: $key, value: $value} ({};
	.[$key] = if ($value | type) == "array" then $value - ($base[$key] // []) else [$value] end)) as $new
| {
	hidden: (reduce ($wanted | to_entries[]) as {key: $key, value: $value} ({};
		if ($value | type) != "array" and ($base | has($key)) then .[$key] = $base[$key] else . end))
} as $hidden
| (reduce ($wanted | to_entries[]) as {key: $key, value: $value} ($base;
	.[$key] = if ($value | type) == "array" then (.[$key] // []) + $new[$key] else $value end)),
($given | keys),
($hidden + {put: (reduce ($put.put // {} | to_entries[]) as {key: $key, value: $values} ($new;
	.[$key] = (.[$key] // []) + $values))}),
($hidden + {put: $new})
