#!/bin/sh
# Looks for known vulnerabilities in what scimsync calls: vuln.sh
# It needs two things from outside, govulncheck and its database at vuln.go.dev.
# Where one cannot be had nothing was checked, which is said and is no failure:
# a network that is closed finds nothing wrong with the code.
set -u

go=${GO:-go}
tool=golang.org/x/vuln/cmd/govulncheck@v1.9.0
log=$(mktemp)
trap 'rm -f "$log"' EXIT

# Built first, so that a tool that cannot be had is told from what it found.
bin=$(mktemp -d)
trap 'rm -rf "$log" "$bin"' EXIT
if ! GOBIN=$bin "$go" install "$tool" >"$log" 2>&1; then
	cat "$log" >&2
	echo "make vuln: NOT CHECKED: $tool cannot be fetched or built here (see above)." >&2
	exit 0
fi
"$bin/govulncheck" ./... >"$log" 2>&1
code=$?
cat "$log"
case $code in
0) echo "make vuln: nothing known." ;;
3) echo "make vuln: vulnerable code is called (see above): update what is named." >&2; exit 1 ;;
*)
	if grep -qiE 'vuln\.go\.dev|fetching vulnerabilities|dial tcp|no such host|proxyconnect' "$log"; then
		echo "make vuln: NOT CHECKED: the database at https://vuln.go.dev cannot be reached." >&2
		exit 0
	fi
	exit "$code"
	;;
esac
