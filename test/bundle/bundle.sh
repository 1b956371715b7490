#!/usr/bin/env bash
# A bundle the whole way: it is written, read, and brings an environment up with an engine that holds none of its images
# and pulls none. The images are back in the engine when it ends, however it ends.
#
# It needs bin/aip-dev, a container engine with the node image and Keycloak's (test/images/build.sh makes them), and no
# other kind cluster of these images. NODE_IMAGE is the node image; KEEP=1 keeps the bundle.
set -euo pipefail

repository=$(cd "$(dirname "$0")/../.." && pwd)
PATH=$repository/bin:$repository/bin/tools:$PATH
node=${NODE_IMAGE:-aip-dev/node:v1.37.2}
keycloak=$(sed -n 's/^ *image: //p' "$repository/manifests/keycloak-dev.yaml")
name=bundle-$$
work=$(mktemp -d "${TMPDIR:-/tmp}/aip-bundle.XXXXXX")
export XDG_STATE_HOME=$work/state
bundle=$work/aip.bundle

say() { echo "bundle: $*"; }
fail() { say "$*" >&2; exit 1; }
# timed WORDS -- COMMAND... runs a command and says how long it took.
timed() {
  local what=$1 began took
  shift 2
  began=$(date +%s%N)
  "$@"
  took=$((($(date +%s%N) - began) / 100000000))
  say "$what: $((took / 10)).$((took % 10)) s" >&2
}
# expect FILE WORDS fails unless the file says the words.
expect() { grep -qF -- "$2" "$1" || { cat "$1" >&2; fail "expected: $2"; }; }

pulls=
removed=
other=
leave() {
  local status=$?
  trap - EXIT
  [ -z "$pulls" ] || kill "$pulls" 2>/dev/null || true
  aip-dev down --name "$name" >"$work/down" 2>&1 || { cat "$work/down" >&2; status=1; }
  [ -z "$other" ] || docker image rm "$other" >/dev/null 2>&1 || true
  if [ -n "$removed" ]; then
    docker load --quiet --input "$work/images.tar" >/dev/null || status=1
  fi
  if [ -n "${KEEP:-}" ]; then say "kept $bundle"; rm -f "$work/images.tar"; else rm -rf "$work"; fi
  exit "$status"
}
trap leave EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

say "node image $node, Keycloak $keycloak"
docker image inspect "$node" "$keycloak" >/dev/null
docker save --output "$work/images.tar" "$node" "$keycloak"

timed "create" -- aip-dev bundle create "$bundle" --node-image "$node" >"$work/create"
cat "$work/create"
timed "info, all verified" -- aip-dev bundle info "$bundle" >"$work/info"
[ "$(grep -c verified "$work/info")" = 5 ] || fail "expected five verified entries"
timed "info --no-verify" -- aip-dev bundle info --no-verify "$bundle" >/dev/null
[ -z "$(find "$work" -name '*.part')" ] || fail "a part file is left"

# One wrong byte is found before anything is made.
cp "$bundle" "$work/wrong.bundle"
printf '\377\000\377' | dd of="$work/wrong.bundle" bs=1 seek=100000000 conv=notrunc status=none
if aip-dev up --cluster kind --tui=never --name "$name" --bundle "$work/wrong.bundle" >"$work/wrong" 2>&1; then
  fail "a wrong bundle was taken"
fi
expect "$work/wrong" 'node.tar.zst: found sha256'
[ -z "$(docker ps --all --quiet --filter "label=io.x-k8s.kind.cluster=aip-dev-$name")" ] || fail "a container was made from a wrong bundle"
aip-dev down --name "$name" >/dev/null 2>&1
rm "$work/wrong.bundle"

# An engine without the images, and a first try that is killed: the next one goes on.
removed=yes
docker image rm "$node" "$keycloak" >/dev/null
timeout --signal KILL 4 aip-dev up --cluster kind --tui=never --name "$name" --bundle "$bundle" >"$work/killed" 2>&1 && fail "it was not killed"

# Under the name of the node image the engine has another one.
docker image rm "$node" >/dev/null 2>&1 || true
printf 'FROM scratch\nLABEL another=image\n' | DOCKER_BUILDKIT=0 docker build --quiet --tag "$node" - >/dev/null
other=$(docker image inspect --format '{{.Id}}' "$node")

docker events --filter event=pull --format '{{.Type}} {{.Action}} {{.Actor.ID}}' >"$work/pulls" &
pulls=$!
timed "up" -- aip-dev up --cluster kind --tui=never --name "$name" --bundle "$bundle" >"$work/up" 2> >(tee "$work/up.err" >&2)
expect "$work/up.err" "$node of docker is not the image of the bundle: found $other"
aip-dev status --name "$name" | tee "$work/status"
expect "$work/status" 'ready'
docker image rm "$other" >/dev/null
other=

# Nobody pulled anything: not the engine, and not the node.
[ ! -s "$work/pulls" ] || { cat "$work/pulls" >&2; fail "the engine pulled"; }
export KUBECONFIG=$XDG_STATE_HOME/aip-dev/$name/kubeconfig
if command -v kubectl >/dev/null; then
  kubectl get events --all-namespaces --field-selector reason=Pulling --output name >"$work/pulling"
  [ ! -s "$work/pulling" ] || { cat "$work/pulling" >&2; fail "the node pulled"; }
  kubectl get events --all-namespaces --field-selector reason=Pulled --no-headers | sed 's/^/bundle: /'
fi

# A second up needs no bundle, and with one there is nothing to do either.
timed "up again, without the bundle" -- aip-dev up --tui=never --name "$name" >"$work/again"
expect "$work/again" 'nothing had to be done'
timed "up again, with the bundle" -- aip-dev up --tui=never --name "$name" --bundle "$bundle" >"$work/again"
expect "$work/again" 'nothing had to be done'

timed "down" -- aip-dev down --name "$name" >/dev/null
say "passed"
