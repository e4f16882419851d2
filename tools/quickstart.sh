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

scimsync() {
	printf '$ scimsync %s\n' "$*" | sed "s|$config|scimsync.yaml|"
	"$binary" "$@"
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
scimsync check -c "$config"

step="planning"
heading "plan: what would change, and why? Nothing is written."
# A failing command at the head of a pipe would go unnoticed.
scimsync plan -c "$config" >"$dir/plan.out"
first 12 <"$dir/plan.out"

step="syncing"
heading "sync: plan, guard, apply"
scimsync sync -c "$config" >"$dir/sync.out"
tail -n 4 "$dir/sync.out"

step="planning a second time: it should have been empty"
heading "plan again: the second plan is empty (or --exit-code would end with 5)"
scimsync plan --exit-code -c "$config"

step="showing the status"
heading "status"
scimsync status -c "$config"

if command -v curl >/dev/null 2>&1; then
	step="changing the source"
	heading "The source changes: somebody leaves, and a group is renamed"
	change() {
		printf '$ curl %s\n' "$*" | sed "s|$source|SOURCE|"
		curl --fail --silent --show-error --max-time 10 --noproxy '*' "$@"
	}
	user=$("$binary" plan -o json -c "$config" >/dev/null 2>&1; curl --fail --silent --max-time 10 --noproxy '*' "$application/sandbox/users" | awk 'NR > 1 && $3 == "true" { print $4; exit }')
	group=$(curl --fail --silent --max-time 10 --noproxy '*' "$application/sandbox/dump" | tr -d '\n' | sed 's/.*"groups"//' | sed -n 's/.*"externalId": *"\([^"]*\)".*/\1/p')
	change -X POST "$source/sandbox/users/$user/disable"
	change -X POST -d '{"profile": {"name": "Renamed in the quickstart"}}' "$source/sandbox/groups/$group"

	step="following the change"
	heading "sync again: the application follows"
	scimsync sync -c "$config"

	step="planning a last time: it should have been empty"
	"$binary" plan --exit-code -c "$config" >"$dir/plan.out" 2>&1 || { cat "$dir/plan.out"; exit 1; }
else
	printf '\n(curl is missing, so the part in which the source changes is left out.)\n'
fi

heading "Where things are"
cat <<END
  $binary             the program: try --help
  configs/                      example configurations, for Okta to Alation among others
  docs/operations.md            state, guards, tokens, schedules
END

if [ -t 0 ] && [ -t 1 ]; then
	step="waiting for you"
	cat <<END

The sandbox is still there. In another terminal:
  curl $source/sandbox/              what the source holds; see docs/connectors/okta.md
  curl $application/sandbox/              what you can do to the application
  $binary sync -c $config
Press Enter to end it.
END
	read -r _ || :
fi
printf '\nThe quickstart is done: both sides agree, and its folder is removed.\n'
