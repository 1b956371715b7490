#!/bin/bash
# Builds the images that the tests with a real Kind cluster need, from Debian packages, Go modules and a Maven artifact
# alone, and loads them into the container engine. What was built before is taken from the cache: an image is built
# again when a file or version that it is made of changes.
#
#   build.sh [node] [keycloak] [curl]    all three when none is named
set -euo pipefail
cd "$(dirname "$0")"

kubernetes=v1.37.2
keycloak=26.0.7
debian=bookworm # its systemd is the last one that runs on cgroup v1
cache=${AIP_IMAGE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/aip-dev/images}
export CGO_ENABLED=0 DOCKER_BUILDKIT=0

say() { echo "images: $*"; }

# timed WORDS... -- COMMAND... runs a command and says how long it took.
timed() {
  local what=() began=$SECONDS
  while [ "$1" != -- ]; do what+=("$1"); shift; done
  shift
  "$@"
  say "${what[*]}: $((SECONDS - began)) s"
}

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

# key FILE... digests the files and this script, which holds the versions.
key() { find "$@" build.sh -type f -print0 | sort -z | xargs -0 sha256sum | sha256sum | cut -c1-12; }

# debian_root FOLDER PACKAGES makes a root file system of Debian packages, without what only people read.
debian_root() {
  mmdebstrap --quiet --variant=minbase --include="$2" "$debian" "$1"
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
  docker build --quiet --network none "${tags[@]}" --label "dev.aip.key=$current" "$folder" >/dev/null
  rm -f "$folder/root.tar"
}

# have TAG KEY NAME: the engine holds the image of this key, or the cache does and it is loaded.
have() {
  [ "$(docker image inspect --format '{{index .Config.Labels "dev.aip.key"}}' "$1" 2>/dev/null)" = "$2" ] && return
  [ -e "$cache/$3-$2.tar" ] && docker load --quiet --input "$cache/$3-$2.tar" >/dev/null
}

# keep TAG KEY NAME puts the image into the cache and takes older ones of the name out.
keep() {
  mkdir -p "$cache"
  docker save --output "$cache/$3-$2.new" "$1"
  rm -f "$cache/$3"-*.tar
  mv "$cache/$3-$2.new" "$cache/$3-$2.tar"
}

# make NAME TAG KEY brings one image about by its function build_NAME.
make() {
  current=$3
  if have "$2" "$3" "$1"; then
    say "$2 is there ($3)"
    return
  fi
  work=$(mktemp -d)
  timed "$2" -- "build_$1" "$2"
  timed "$2 into the cache" -- keep "$2" "$3" "$1"
  rm -rf "$work"
}

go_programs() {
  local package flags="-s -w"
  for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
    flags+=" -X $package.gitVersion=$kubernetes -X $package.gitMajor=1 -X $package.gitMinor=37 -X $package.gitTreeState=clean"
  done
  timed pause -- go build -trimpath -ldflags "$flags" -o "$work/pause" ./pause
  timed etcd -- go build -trimpath -ldflags "$flags" -o "$work/etcd" go.etcd.io/etcd/server/v3
  timed coredns -- go build -trimpath -ldflags "$flags" -o "$work/coredns" ./coredns
  timed kubernetes -- go build -trimpath -ldflags "$flags" -o "$work/kube" ./kube
}

# kube_proxy_root FOLDER: kube-proxy calls iptables, so its image needs that, its plugins and their libraries.
kube_proxy_root() {
  local node=$work/node/root out=$1 lib=usr/lib/x86_64-linux-gnu file name
  mkdir -p "$out"/{usr/sbin,usr/local/bin,usr/lib64,"$lib"/xtables,run,etc,tmp}
  ln -s usr/sbin "$out/sbin"
  ln -s usr/lib "$out/lib"
  ln -s usr/lib64 "$out/lib64"
  cp -a "$node"/usr/sbin/xtables-{nft,legacy}-multi "$out/usr/sbin/"
  cp -a "$node/$lib/xtables/." "$out/$lib/xtables/"
  for name in iptables iptables-save iptables-restore ip6tables ip6tables-save ip6tables-restore; do
    ln -sf xtables-nft-multi "$out/usr/sbin/$name"
  done
  chroot "$node" sh -c "ldd /usr/sbin/xtables-*-multi /$lib/xtables/*.so 2>/dev/null" | grep -o '/[^ :]*\.so[^ :]*' | sort -u |
    while read -r file; do [ -e "$out$file" ] || cp -L "$node$file" "$out/$lib/"; done
  cp -L "$node/lib64/ld-linux-x86-64.so.2" "$out/usr/lib64/"
  chroot "$out" /usr/sbin/iptables --version >/dev/null
}

# control_plane_images makes the images that kubeadm asks for, under the names that it asks for, as one archive.
control_plane_images() {
  local wanted name program
  ln -s kube "$work/kubeadm"
  wanted=$("$work/kubeadm" config images list --kubernetes-version "$kubernetes")
  tag() { grep "/$1:" <<<"$wanted"; }
  mkdir -p "$work/img-kube/root"
  kube_proxy_root "$work/img-kube/root"
  cp "$work/kube" "$work/img-kube/root/usr/local/bin/kube"
  for program in kube-apiserver kube-controller-manager kube-scheduler kube-proxy; do
    ln -s kube "$work/img-kube/root/usr/local/bin/$program"
  done
  image "$work/img-kube" $(tag 'kube-[a-z-]*') </dev/null
  for name in etcd coredns pause; do
    mkdir -p "$work/img-$name/root/usr/local/bin"
    cp "$work/$name" "$work/img-$name/root/usr/local/bin/$name"
    image "$work/img-$name" "$(tag "$name")" <<<"ENTRYPOINT [\"/usr/local/bin/$name\"]"
  done
  docker save --output "$1" $wanted
  pause=$(tag pause)
  docker image rm --force $wanted >/dev/null
}

build_node() {
  local root=$work/node/root plugin unit
  mkdir -p "$work/node"
  need mmdebstrap:mmdebstrap
  go_programs
  timed "Debian packages of the node" -- debian_root "$root" \
    systemd,systemd-sysv,dbus,iptables,iproute2,conntrack,ethtool,util-linux,mount,kmod,procps,ca-certificates,libseccomp2,runc,containerd,containernetworking-plugins,ebtables,socat,curl
  mkdir -p "$root"/{kind/images,opt/cni/bin,etc/kubernetes/manifests}
  control_plane_images "$root/kind/images/preload.tar"
  # Nothing starts at boot but what the node needs.
  rm -f "$root"/{lib,etc}/systemd/system/*.wants/* 
  chroot "$root" systemctl preset-all --preset-mode=disable-only 2>/dev/null || true
  cp -a node/. "$root/"
  sed -i "s|@PAUSE@|$pause|" "$root/etc/containerd/config.toml"
  echo -n "$kubernetes" >"$root/kind/version"
  for plugin in ptp loopback portmap host-local; do ln -sf "/usr/lib/cni/$plugin" "$root/opt/cni/bin/$plugin"; done
  cp "$work/kube" "$root/usr/local/bin/kube"
  for plugin in kubelet kubeadm kubectl; do ln -sf /usr/local/bin/kube "$root/usr/bin/$plugin"; done
  for unit in containerd node-preload kubelet; do chroot "$root" systemctl --quiet enable "$unit.service"; done
  chroot "$root" systemctl --quiet mask systemd-binfmt.service systemd-udevd.service getty.target console-getty.service systemd-logind.service
  rm -f "$root/etc/machine-id"
  image "$work/node" "$1" <<'EOF'
ENV container=docker
STOPSIGNAL SIGRTMIN+3
ENTRYPOINT ["/usr/local/bin/node-entrypoint"]
EOF
}

build_keycloak() {
  local root=$work/keycloak/root
  mkdir -p "$work/keycloak"
  need mmdebstrap:mmdebstrap mvn:maven
  timed "Debian packages of Keycloak" -- debian_root "$root" ca-certificates,openjdk-17-jre-headless
  timed "Keycloak's distribution" -- mvn --quiet --batch-mode dependency:copy \
    -Dartifact="org.keycloak:keycloak-quarkus-dist:$keycloak:tar.gz" -DoutputDirectory="$work"
  mkdir -p "$root/opt"
  tar -C "$root/opt" --no-same-owner -xzf "$work/keycloak-quarkus-dist-$keycloak.tar.gz"
  mv "$root/opt/keycloak-$keycloak" "$root/opt/keycloak"
  chown -R 1000:0 "$root/opt/keycloak"
  chmod -R g+rwX "$root/opt/keycloak"
  echo 'keycloak:x:1000:0:Keycloak:/opt/keycloak:/sbin/nologin' >>"$root/etc/passwd"
  image "$work/keycloak" "$1" <<'EOF'
ENV LANG=C.UTF-8 KC_RUN_IN_CONTAINER=true
USER 1000
RUN ["/opt/keycloak/bin/kc.sh", "build", "--health-enabled=true"]
EXPOSE 8080 8443 9000
ENTRYPOINT ["/opt/keycloak/bin/kc.sh"]
EOF
}

build_curl() {
  local root=$work/curl/root
  mkdir -p "$work/curl"
  need mmdebstrap:mmdebstrap
  timed "Debian packages of curl" -- debian_root "$root" ca-certificates,curl
  image "$work/curl" "$1" <<'EOF'
USER 65534
ENTRYPOINT ["/usr/bin/curl"]
EOF
}

[ $# -gt 0 ] || set -- node keycloak curl
for name in "$@"; do
  case $name in
    node) make node "aip-dev/node:$kubernetes" "$(key kube coredns pause node go.mod go.sum)" ;;
    keycloak) make keycloak "quay.io/keycloak/keycloak:$keycloak" "$(key build.sh)" ;;
    curl) make curl curlimages/curl:latest "$(key build.sh)" ;;
    *) echo "images: $name is not known, expected node, keycloak or curl" >&2; exit 2 ;;
  esac
done
