#!/bin/sh
# Runs what takes too long for every day: nightly.sh
# The tests of cmd/scimsync by their long forms, then the race detector, every
# fuzz target and a soak. All of it runs, also where a part fails; what failed is
# said at the end.
set -u

go=${GO:-go}
make=${MAKE:-make}
failed=
log=$(mktemp)
trap 'rm -f "$log"' EXIT

part() {
	name=$1
	shift
	echo "== $name"
	"$@" || failed="$failed, $name"
}

# The tables of the kill loop and of the faults are in the log of tests that
# passed, which only -v shows.
long_forms() {
	SCIMSYNC_KILLS=${SCIMSYNC_KILLS:-200} SCIMSYNC_DELTA_RUNS=${SCIMSYNC_DELTA_RUNS:-60} \
		SCIMSYNC_MODEL_RUNS=${SCIMSYNC_MODEL_RUNS:-60} SCIMSYNC_FAULT_RUNS=${SCIMSYNC_FAULT_RUNS:-60} \
		SCIMSYNC_FAULTS=all SCIMSYNC_HOSTILE=all \
		"$go" test -buildvcs=false -v -timeout 90m -run 'Kill|Model|Fault|Hostile' ./cmd/scimsync >"$log" 2>&1
	code=$?
	grep -vE '^=== |^ *--- (PASS|SKIP)|^ *rapid.go|\[rapid\] OK' "$log"
	return $code
}

part "long forms of the tests" long_forms
part "race detector" "$make" race
part "fuzz" "$make" fuzz FUZZTIME="${FUZZTIME:-60s}"
part "soak" "$make" soak SOAKTIME="${SOAKTIME:-10m}"
part "known vulnerabilities" "$make" vuln

[ -z "$failed" ] || { echo "nightly: failed: ${failed#, }" >&2; exit 1; }
echo "nightly: nothing found."
