#!/bin/sh
# The quickstart: quickstart.sh bin/scimsync
# Starts the sandbox (a local Okta org and a local SCIM application with made-up
# people), takes one sync from check to an empty second plan, changes the source
# and lets the sync follow. It needs no account anywhere and touches nothing but
# a temporary folder. Ends with 0, or names the step that failed.
set -eu

binary=$1
dir=$(mktemp -d "${TMPDIR:-/tmp}/scimsync-quickstart.XXXXXX")
config=$dir/scimsync.yaml
sandbox=
step="starting"

finish() {
	code=$?
	trap - EXIT
	[ "$code" -eq 0 ] || printf '\nThe quickstart failed while %s (exit %s).\n' "$step" "$code" >&2
	if [ -n "$sandbox" ]; then
		kill "$sandbox" 2>/dev/null || :
		wait "$sandbox" 2>/dev/null || :
	fi
	rm -rf "$dir"
	exit "$code"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

heading() { printf '\n== %s\n\n' "$1"; }

# A configuration of the caller's own must not take the sandbox's place.
unset SCIMSYNC_CONFIG

# scimsync ARGUMENTS shows a command and runs it; what it prints on standard
# output goes to the file $into, where that is set.
into=
scimsync() {
	printf '$ scimsync %s -c scimsync.yaml\n' "$*"
	if [ -n "$into" ]; then
		"$binary" "$@" -c "$config" >"$into"
	else
		"$binary" "$@" -c "$config"
	fi
}

# first N lines of a text, and how many more there are.
first() {
	awk -v most="$1" 'NR <= most { print } END { if (NR > most) printf "    … %d lines more\n", NR - most }'
}

step="starting the sandbox"
heading "A sandbox: a local Okta org and a local SCIM application"
"$binary" sandbox --users 120 --groups 8 --dir "$dir" >"$dir/sandbox.out" 2>"$dir/sandbox.err" &
sandbox=$!
tries=0
until grep -q '^application: ' "$dir/sandbox.out"; do
	tries=$((tries + 1))
	if [ "$tries" -gt 300 ] || ! kill -0 "$sandbox" 2>/dev/null; then
		cat "$dir/sandbox.err" >&2
		exit 1
	fi
	sleep 0.1 2>/dev/null || sleep 1
done
source=$(sed -n 's/^source: *\([^ ]*\).*/\1/p' "$dir/sandbox.out")
application=$(sed -n 's/^application: *\([^ ]*\)\/scim\/v2.*/\1/p' "$dir/sandbox.out")
grep -E '^(config|source|application):' "$dir/sandbox.out"

step="checking both sides"
heading "check: is everything reachable, and what can it do?"
scimsync check

step="planning"
heading "plan: what would change, and why? Nothing is written."
into=$dir/plan.out # a command that fails at the head of a pipe goes unnoticed
scimsync plan
first 12 <"$into"
"$binary" plan -o json -c "$config" >"$dir/plan.json" 2>/dev/null

step="syncing"
heading "sync: plan, guard, apply"
scimsync sync
awk 'BEGIN { RS = "" } { last = $0 } END { print last }' "$into" # what the run comes to
into=

step="planning a second time: it should have been empty"
heading "plan again, with both sides read whole: it is empty (or --exit-code would end with 5)"
scimsync plan --full --exit-code

step="showing the status"
heading "status"
scimsync status

if command -v curl >/dev/null 2>&1; then
	step="changing the source"
	heading "The source changes: somebody leaves, somebody joins, a group is renamed"
	# The first user and the first group of the plan, one change a line.
	pick() { sed -n 's/^{"op":"create","kind":"'"$1"'","source_id":"\([^"]*\)".*/\1/p' "$dir/plan.json" | sed -n 1p; }
	change() {
		printf '$ curl -d %s %s\n' "'$1'" "SOURCE$2"
		curl --fail --silent --show-error --max-time 10 --noproxy '*' --output "$dir/curl.out" --data "$1" "$source$2"
	}
	leaver=$(pick user)
	group=$(pick group)
	change '' "/sandbox/users/$leaver/disable"
	change '{"status": "ACTIVE", "profile": {"login": "grace.new@example.com", "email": "grace.new@example.com", "firstName": "Grace", "lastName": "New"}}' /sandbox/users
	change '{"profile": {"name": "Renamed in the quickstart"}}' "/sandbox/groups/$group"

	step="following the change"
	heading "sync again: only what changed is read, and the application follows"
	scimsync sync

	step="planning a last time: it should have been empty"
	"$binary" plan --full --exit-code -c "$config" >"$dir/plan.out" 2>&1 || { code=$?; cat "$dir/plan.out"; exit "$code"; }
else
	printf '\n(curl is missing, so the part in which the source changes is left out.)\n'
fi

heading "Where things are"
printf '  %-24s %s\n' "$binary" "the program: try --help" \
	configs/ "example configurations, for Okta to Alation among others" \
	docs/operations.md "state, guards, tokens, schedules" \
	docs/connectors/ "what each source and target reads, writes and needs"

if [ -t 0 ] && [ -t 1 ]; then
	step="waiting for you"
	cat <<END

The sandbox is still there. In another terminal:
  curl $source/sandbox/              what the source holds; see docs/connectors/okta.md
  curl $application/sandbox/              what you can do to the application
  $binary sync -c $config
  $binary daemon -c $config
Press Enter to end it.
END
	read -r _ || :
fi
printf '\nThe quickstart is done: both sides agree, and its folder is removed.\n'
