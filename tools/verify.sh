#!/bin/sh
# Checks that what is generated, or stands in two places, agrees with the code:
# verify.sh bin/scimsync
set -eu

binary=$1
failed=0
complain() { echo "make verify: $1" >&2; failed=1; }

# The JSON Schema of the configuration, for editors. It is written anew, so that
# a difference is already mended: commit it.
mkdir -p docs
"$binary" config schema >docs/config.schema.json.new
mv docs/config.schema.json.new docs/config.schema.json
git ls-files --error-unmatch docs/config.schema.json >/dev/null 2>&1 ||
	complain "docs/config.schema.json is not committed."
git --no-pager diff --exit-code -- docs/config.schema.json ||
	complain "docs/config.schema.json was out of date and has been written anew: commit it."

# The exit codes: each constant of exit.go has its row in the README, and no row
# is without a constant.
codes=$(sed -n 's/^	exit[A-Za-z]* *= \([0-9][0-9]*\)$/\1/p' cmd/scimsync/exit.go | sort -n)
rows=$(sed -n 's/^| \([0-9][0-9]*\) |.*/\1/p' README.md | sort -n)
[ -n "$codes" ] || complain "no exit code was found in cmd/scimsync/exit.go."
[ "$codes" = "$rows" ] || {
	complain "the exit codes of README.md and cmd/scimsync/exit.go differ."
	echo "  exit.go:   $(echo "$codes" | tr '\n' ' ')" >&2
	echo "  README.md: $(echo "$rows" | tr '\n' ' ')" >&2
}

# Every direct dependency has a line in the ADR on dependencies.
adr=docs/adr/0012-dependencies.md
for module in $(awk '/^\)/ { exit } /^	[a-z]/ { print $1 }' go.mod); do
	grep -qF "$module" "$adr" || complain "$module has no line in $adr."
done

# Links between the documents lead somewhere.
for page in README.md CONTRIBUTING.md docs/*.md docs/*/*.md; do
	folder=$(dirname "$page")
	for link in $(sed -n 's/[^]]*\](\([^)#]*\)[^)]*)/\1\n/gp' "$page" | grep -v '^[a-z]*:' | grep -E '^[A-Za-z0-9._/-]+$'); do
		[ -e "$folder/$link" ] || complain "$page links to $link, which does not exist."
	done
done

[ "$failed" -eq 0 ] && echo "Generated files, exit codes, dependencies and links agree with the code."
exit "$failed"
