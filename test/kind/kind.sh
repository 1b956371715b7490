#!/usr/bin/env bash
# An environment in a Kind cluster, with the built binary, as a person meets it: brought up and compared with `kind create
# cluster`, used, interrupted at every step, its Keycloak and its container engine restarted, stopped, started and taken
# down. The guide runs before it, word for word. `make e2e` calls this.
#
#   kind.sh [guide] [life]    both when none is named
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

# shellcheck source=../guide/lib.sh
. "$folder/../guide/lib.sh"
# shellcheck source=life.sh
. "$folder/life.sh"

[ $# -gt 0 ] || set -- guide life
for what in "$@"; do
  case $what in
    guide) printf '\n== the guide, in a Kind cluster\n'; "$folder/../guide/guide.sh" || exit ;;
    life) printf '\n== the life of an environment in a Kind cluster\n'; life || exit ;;
    *) echo "kind.sh: found $what, expected guide or life" >&2; exit 2 ;;
  esac
done
