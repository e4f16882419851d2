#!/bin/sh
# Runs every fuzz target of the module for a time: fuzz.sh 10s
# Go fuzzes one target of one package at a time, hence the loop.
set -eu

for_each=${1:-10s}
go=${GO:-go}
count=0
for file in $(grep -rl --include='*_test.go' '^func Fuzz' . | sort); do
	package=$(dirname "$file")
	for target in $(sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p' "$file"); do
		echo "== $package $target, $for_each"
		"$go" test -buildvcs=false -run '^$' -fuzz "^$target\$" -fuzztime "$for_each" "$package"
		count=$((count + 1))
	done
done
[ "$count" -gt 0 ] || { echo "fuzz.sh: no fuzz target was found" >&2; exit 1; }
echo "$count fuzz targets, $for_each each: nothing found."
