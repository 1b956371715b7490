#!/bin/bash
# Builds the images that the tests with a real Kind cluster need, from Debian packages, Go modules and a Maven artifact
# alone, and loads them into the container engine. What was built before is taken from the cache: an image is built
# again when its script, or a file that it is made of, changes. README.md says what is in them and why.
#
#   build.sh [node] [keycloak] [curl] [postgres]    all when none is named
set -euo pipefail
cd "$(dirname "$0")"
. ./lib.sh

cache=${AIP_IMAGE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/aip-dev/images}
export CGO_ENABLED=0 DOCKER_BUILDKIT=0

# digest FILE... digests the files, and those below a folder.
digest() { find "$@" -type f -print0 | sort -z | xargs -0 sha256sum | sha256sum | cut -c1-12; }

# keep TAG ARCHIVE puts the image into the cache, and takes out what it replaces there and in the engine.
keep() {
  mkdir -p "$cache"
  docker save --output "$2.new" "$1"
  rm -f "${2%-*}"-*.tar
  mv "$2.new" "$2"
  docker image prune --force --filter label=dev.aip.key >/dev/null
}

# make NAME brings one image about: the engine holds it already, or the cache does, or NAME.sh builds it.
make() {
  # shellcheck disable=SC2034 # version is for the script of the image
  local tag inputs version key archive
  # shellcheck source=/dev/null
  . "./$1.sh"
  key=$(digest lib.sh "$1.sh" "${inputs[@]}")
  archive=$cache/$1-$key.tar
  if [ "$(docker image inspect --format '{{index .Config.Labels "dev.aip.key"}}' "$tag" 2>/dev/null)" = "$key" ]; then
    say "$tag is there ($key)"
  elif [ -e "$archive" ]; then
    timed "$tag from the cache" -- quietly docker load --input "$archive"
  else
    timed "$tag" -- build
  fi
  [ -e "$archive" ] || timed "$tag into the cache" -- keep "$tag" "$archive"
}

[ $# -gt 0 ] || set -- node keycloak curl postgres
for name in "$@"; do
  case $name in
    node | keycloak | curl | postgres) ;;
    *) say "$name is not known, expected node, keycloak, curl or postgres" >&2; exit 2 ;;
  esac
done
docker version >/dev/null 2>&1 || { say "no container engine answers, try ../engine/engine.sh start" >&2; exit 1; }

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
for name in "$@"; do
  work=$scratch/$name
  mkdir "$work"
  make "$name"
  rm -rf "$work"
done
