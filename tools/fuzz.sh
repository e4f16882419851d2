#!/bin/sh
# Runs every fuzz target of the module for a time: fuzz.sh 10s
# Go fuzzes one target of one package at a time, hence the loop. The first time, it
# compiles everything instrumented, the Graph SDK for ten minutes.
set -eu

for_each=${1:-10s}
go=${GO:-go}
count=0
log=$(mktemp)
trap 'rm -f "$log"' EXIT

# Before Go 1.27 the end of the fuzzing time is now and then reported as a
# failure, with this one line and no input (golang/go#75804). Anything more is a
# finding.
only_time_ran_out() {
	grep -qx '    context deadline exceeded' "$log" &&
		! grep -qE 'Failing input|panic|_test\.go:|testdata/fuzz' "$log"
}

for file in $(grep -rl --include='*_test.go' '^func Fuzz' . | sort); do
	package=$(dirname "$file")
	for target in $(sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p' "$file"); do
		echo "== $package $target, $for_each"
		if "$go" test -buildvcs=false -run '^$' -fuzz "^$target\$" -fuzztime "$for_each" "$package" >"$log" 2>&1; then
			grep '^ok' "$log"
		elif only_time_ran_out; then
			echo "ok  	$package: the time ran out, no input failed"
		else
			cat "$log"
			exit 1
		fi
		count=$((count + 1))
	done
done
[ "$count" -gt 0 ] || { echo "fuzz.sh: no fuzz target was found" >&2; exit 1; }
echo "$count fuzz targets, $for_each each: nothing found."
