# curl, which the guide runs in the cluster.
# shellcheck shell=bash disable=SC2034,SC2154

tag=curlimages/curl:latest
inputs=()

build() {
  mkdir -p "$work/curl"
  timed "Debian packages of curl" -- debian_root "$work/curl/root" ca-certificates,curl
  image "$work/curl" "$tag" <<'END'
USER 65534
ENTRYPOINT ["/usr/bin/curl"]
END
}
