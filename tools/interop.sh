#!/bin/sh
# Makes the npm SCIM server of interop/ ready for the tests that talk to it.
# What cannot be installed is said and not fatal: those tests then skip, all
# others run.
set -eu

[ -f interop/package.json ] || exit 0

skipped() {
	echo "make test: $1" >&2
	echo "make test: the interop test against the npm server scimmy-routers will be skipped." >&2
	exit 0
}

if ! command -v npm >/dev/null 2>&1; then
	if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null 2>&1; then
		echo "Installing Node.js and npm for the interop test (apt-get install nodejs npm)."
		export DEBIAN_FRONTEND=noninteractive
		{ apt-get update -qq && apt-get install -y -qq --no-install-recommends nodejs npm; } >/dev/null ||
			skipped "apt-get could not install nodejs and npm."
	else
		skipped "npm is missing, and only root on Debian or Ubuntu can have it installed here: install Node.js 18 or later."
	fi
fi
command -v node >/dev/null 2>&1 || skipped "node is missing: install Node.js 18 or later."

# npm ci begins by deleting what is there: only where the lock file is newer.
if [ interop/node_modules/.package-lock.json -nt interop/package-lock.json ]; then
	exit 0
fi
echo "Installing the packages of interop/ (npm ci)."
npm ci --prefix interop --no-audit --no-fund --loglevel=error ||
	skipped "npm ci could not install the packages of interop/ (see above)."
touch interop/node_modules/.package-lock.json
