#!/usr/bin/env bash
# An environment in a Kind cluster of podman: brought up, used, stopped, started and taken down with nothing left behind.
# The images are those of ../images, which Docker hands over. `make e2e` calls this; podman comes from Debian.
#
# shellcheck source-path=SCRIPTDIR
# shellcheck disable=SC2016,SC2154 # commands are expanded when they are run; ../guide/lib.sh reads what seems unused
set -uo pipefail

folder=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
repository=$(cd "$folder/../.." && pwd)
PATH=$repository/bin:$PATH
node=aip-dev/node:v1.37.2
environment=podman-$$

# shellcheck source=../guide/lib.sh
. "$folder/../guide/lib.sh"

leave() {
  local status=$?
  trap - EXIT
  aip-dev down --name "$environment" >/dev/null 2>&1
  rm -rf "$work"
  return "$status"
}

# install installs podman, and makes it take what this machine grants: the runtime of ../engine leaves capabilities out
# that the machine lacks, and the limits are those of this shell.
install() {
  command -v podman >/dev/null || DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends podman >/dev/null || return
  local limit
  limit=$(ulimit -Hn) # podman asks for more files and processes than the machine may grant
  [[ $limit == unlimited ]] || printf '[containers]\ndefault_ulimits = ["nofile=%s:%s", "nproc=%s:%s"]\n' "$limit" "$limit" "$limit" "$limit" >"$work/containers.conf"
  export CONTAINERS_CONF=$work/containers.conf KIND_EXPERIMENTAL_PROVIDER=podman
  local bounded=${AIP_ENGINE_STATE:-/var/lib/aip-dev-engine}/bounded
  [[ -x $bounded ]] || return 0
  printf '#!/bin/sh\nPATH=/usr/sbin:/usr/bin:/sbin:/bin exec %s "$@"\n' "$bounded" >"$work/bounded"
  chmod +x "$work/bounded"
  printf '[engine]\nruntime = "bounded"\n[engine.runtimes]\nbounded = ["%s"]\n' "$work/bounded" >>"$work/containers.conf"
}

# podman_holds lists what podman holds, besides images.
podman_holds() { podman ps --all --quiet; podman network ls --quiet; podman volume ls --quiet; }

# handed tells whether podman has the very image that Docker has under this name; each knows it by its configuration.
handed() {
  local id
  id=$(podman image inspect --format '{{.Id}}' "$1" 2>/dev/null) && [[ sha256:$id == "$(docker image inspect --format '{{.Id}}' "$1")" ]]
}

work=$(mktemp -d "${TMPDIR:-/tmp}/aip-podman.XXXXXX") || exit
export XDG_STATE_HOME=$work/state
trap 'leave; exit' EXIT
trap 'exit 130' INT TERM

part 'An environment in podman'
install || { echo "podman.sh: podman cannot be had" >&2; exit 1; }
for image in "$node" "$(sed -n 's/^ *image: *\(.*keycloak.*\)$/\1/p' "$repository/manifests/keycloak-dev.yaml" | head -1)"; do
  handed "$image" || check "docker save $image | podman load && handed $image"
done
before=$(podman_holds)
check "aip-dev up --cluster kind --tui=never --name $environment --node-image localhost/$node" 'has Ready in' 'has podman'
REQUEST=$(aip-dev request submit --name "$environment" --action delete --target k8s://prod/kept --reason kept -o name)
check "aip-dev stop --name $environment" 'has its state is kept'
check "aip-dev start --name $environment" 'has Ready'
check "aip-dev request approve $REQUEST --name $environment" 'has Approved'
check "aip-dev up --cluster kind --tui=never --name $environment" 'has nothing had to be done'
check "aip-dev down --name $environment" 'has is gone'
check "[ '$before' = '$(podman_holds)' ]"
check "find $XDG_STATE_HOME -mindepth 2 -not -name '*.journal*'" 'hasnot podman'

printf '\n%d passed, %d failed\n' "$((number - failed))" "$failed"
[[ $failed -eq 0 ]]
