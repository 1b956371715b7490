#!/usr/bin/env bash
# Runs every fuzz target for a while: fuzz.sh TIME, for example 1m. It fails when one finds something; the input that did it is
# then below testdata/fuzz of its package, from where every later test run tries it first.
set -euo pipefail
cd "$(dirname "$0")/../.."

time=${1:-1m}
log=$(mktemp)
trap 'rm -f "$log"' EXIT
for file in $(grep -rl --include='*_test.go' '^func Fuzz' gateway internal tui | sort); do
	package=./$(dirname "$file")
	for target in $(sed -n 's/^func \(Fuzz[A-Za-z0-9]*\)(.*/\1/p' "$file"); do
		printf '%-28s %s\n' "$target" "$package"
		if go test -run '^$' -fuzz "^$target\$" -fuzztime "$time" "$package" >"$log" 2>&1; then
			grep '^fuzz: elapsed' "$log" | tail -n 1
			continue
		fi
		# On a busy machine the end of the time itself is reported as a failure; nothing was found then.
		# Source: https://github.com/golang/go/issues/75804
		if grep -q 'context deadline exceeded' "$log" && ! grep -qE 'Failing input|panic|fuzzing process' "$log"; then
			grep '^fuzz: elapsed' "$log" | tail -n 1
			continue
		fi
		cat "$log"
		exit 1
	done
done
