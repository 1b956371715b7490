#!/usr/bin/env bash
# An environment in a Kind cluster, with the built binary, as a person meets it: brought up and compared with `kind create
# cluster`, used, interrupted at every step, its Keycloak and its container engine restarted, stopped, started and taken
# down. The guide runs before it, word for word, and after it a cluster of somebody else is used. `make e2e` calls this.
#
#   kind.sh [guide] [life] [existing] [alike] [faults] [doctor]    all but the last when none is named; the last three run scripts
#                                                                  of ../e2e. doctor makes those faults in Kind that `make test`
#                                                                  makes in an embedded environment.
#
# It needs an engine and the images of ../images. Everything that the program keeps lies in a folder of its own.
# shellcheck source-path=SCRIPTDIR
# shellcheck disable=SC2016 # commands are expanded when they are run
set -uo pipefail

folder=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
repository=$(cd "$folder/../.." && pwd)
PATH=$repository/bin:$repository/bin/tools:$PATH
export AIP_CLUSTER=kind NODE_IMAGE=${NODE_IMAGE:-aip-dev/node:v1.37.2}
export AIP_UP="--node-image $NODE_IMAGE"
GOCACHE=$(go env GOCACHE) # the program's own cache is moved, Go's is not
export GOCACHE

# shellcheck source=../guide/lib.sh
. "$folder/../guide/lib.sh"
# shellcheck source=life.sh
. "$folder/life.sh"
# shellcheck source=existing.sh
. "$folder/existing.sh"

# scripts REGEX runs the scripts of ../e2e whose names it matches, and tests beside them that are named.
scripts() { (cd "$repository" && go test -count=1 -v -parallel 1 -timeout 40m -run "^TestScripts\$/^($1)\$${2:+|$2}" ./test/e2e) || exit; }

[ $# -gt 0 ] || set -- guide life existing alike faults
for what in "$@"; do
  case $what in # each in a shell of its own, which it ends
    guide) printf '\n== the guide, in a Kind cluster\n'; "$folder/../guide/guide.sh" || exit ;;
    life) printf '\n== the life of an environment in a Kind cluster\n'; (life) || exit ;;
    existing) printf '\n== a cluster of somebody else\n'; (existing) || exit ;;
    alike) printf '\n== the same commands and answers as in an embedded environment\n'; scripts 'main|agent|chart|token' '^TestAgentUnderLoad$' ;;
    faults) printf '\n== the faults that containers alone have\n'; scripts containers ;;
    doctor) printf '\n== every other fault really made\n'; scripts doctor ;;
    *) echo "kind.sh: found $what, expected guide, life, existing, alike, faults or doctor" >&2; exit 2 ;;
  esac
done
