# What the scripts of the images share. The functions work in the folder $work; $key names what an image is made of.
# shellcheck shell=bash disable=SC2154

say() { echo "images: $*"; }

# timed WORDS... -- COMMAND... runs a command and says how long it took.
timed() {
  local what=() began=$SECONDS
  while [ "$1" != -- ]; do what+=("$1"); shift; done
  shift
  "$@"
  say "${what[*]}: $((SECONDS - began)) s"
}

# quietly COMMAND... prints what the command says only if it fails.
quietly() { "$@" >"$work/log" 2>&1 || { cat "$work/log" >&2; return 1; }; }

# need COMMAND:PACKAGE... installs the packages of those commands that the machine lacks.
need() {
  local missing=() pair
  for pair in "$@"; do
    command -v "${pair%%:*}" >/dev/null || missing+=("${pair##*:}")
  done
  [ ${#missing[@]} -eq 0 ] && return
  say "installing ${missing[*]}"
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "${missing[@]}" >/dev/null
}

# debian_root FOLDER PACKAGES makes a root file system of Debian packages, without what only people read. Bookworm, as its
# systemd is the last one that runs on cgroup v1.
debian_root() {
  need mmdebstrap:mmdebstrap
  mmdebstrap --quiet --variant=minbase --include="$2" bookworm "$1"
  rm -rf "$1"/usr/share/{doc,man,locale,info}/* "$1"/var/{cache/apt,lib/apt/lists,log}/*
}

# image FOLDER TAG... builds FOLDER/root into an image; Dockerfile lines after the first come from standard input.
image() {
  local folder=$1 tags=() tag
  shift
  for tag in "$@"; do tags+=(--tag "$tag"); done
  tar -C "$folder/root" --numeric-owner --sort=name -cf "$folder/root.tar" .
  rm -rf "$folder/root"
  { printf 'FROM scratch\nADD root.tar /\n'; cat; } >"$folder/Dockerfile"
  quietly docker build --network none "${tags[@]}" --label "dev.aip.key=$key" "$folder"
  rm -f "$folder/root.tar"
}
