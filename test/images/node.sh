# The node of a Kind cluster: Debian with containerd, and every program of Kubernetes.
# shellcheck shell=bash disable=SC2034,SC2154

version=v1.37.2
tag=aip-dev/node:$version
inputs=(kube coredns pause node go.mod go.sum)

go_programs() {
  local package flags="-s -w"
  for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
    flags+=" -X $package.gitVersion=$version -X $package.gitMajor=1 -X $package.gitMinor=37 -X $package.gitTreeState=clean"
  done
  timed pause -- go build -trimpath -buildvcs=false -ldflags "$flags" -o "$work/pause" ./pause
  timed etcd -- go build -trimpath -buildvcs=false -ldflags "$flags" -o "$work/etcd" go.etcd.io/etcd/server/v3
  timed coredns -- go build -trimpath -buildvcs=false -ldflags "$flags" -o "$work/coredns" ./coredns
  timed kubernetes -- go build -trimpath -buildvcs=false -ldflags "$flags" -o "$work/kube" ./kube
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

# control_plane_images ARCHIVE makes the images that kubeadm asks for, under the names that it asks for, as one archive.
control_plane_images() {
  local wanted programs name
  ln -s kube "$work/kubeadm"
  mapfile -t wanted < <("$work/kubeadm" config images list --kubernetes-version "$version")
  tagged() { printf '%s\n' "${wanted[@]}" | grep "/$1:"; }
  mkdir -p "$work/img-kube/root"
  kube_proxy_root "$work/img-kube/root"
  cp "$work/kube" "$work/img-kube/root/usr/local/bin/kube"
  mapfile -t programs < <(tagged 'kube-[a-z-]*')
  for name in "${programs[@]}"; do
    name=${name##*/}
    ln -s kube "$work/img-kube/root/usr/local/bin/${name%:*}"
  done
  image "$work/img-kube" "${programs[@]}" </dev/null
  for name in etcd coredns pause; do
    mkdir -p "$work/img-$name/root/usr/local/bin"
    cp "$work/$name" "$work/img-$name/root/usr/local/bin/$name"
    image "$work/img-$name" "$(tagged "$name")" <<<"ENTRYPOINT [\"/usr/local/bin/$name\"]"
  done
  docker save --output "$1" "${wanted[@]}"
  pause=$(tagged pause)
  docker image rm --force "${wanted[@]}" >/dev/null
}

# only_what_a_node_starts ROOT: journal, bus, containerd, the import of the images and the kubelet.
only_what_a_node_starts() {
  local unit wants=$1/lib/systemd/system
  rm -f "$1"/etc/systemd/system/*.wants/* "$wants"/{multi-user,local-fs,basic}.target.wants/* \
    "$wants"/sockets.target.wants/*{udev,initctl}* "$wants"/sysinit.target.wants/systemd-tmpfiles-setup.service
  for unit in containerd node-preload kubelet; do chroot "$1" systemctl --quiet enable "$unit.service"; done
  chroot "$1" systemctl --quiet mask systemd-{binfmt,udevd,logind}.service getty.target console-getty.service
}

build() {
  local root=$work/node/root program
  mkdir -p "$work/node"
  go_programs
  timed "Debian packages of the node" -- debian_root "$root" \
    systemd,systemd-sysv,dbus,iptables,iproute2,conntrack,ethtool,util-linux,mount,kmod,procps,ca-certificates,libseccomp2,runc,containerd,containernetworking-plugins,ebtables,socat,curl
  mkdir -p "$root"/{kind/images,opt/cni/bin,etc/kubernetes/manifests}
  control_plane_images "$root/kind/images/preload.tar"
  cp -a node/. "$root/"
  sed -i "s|@PAUSE@|$pause|" "$root/etc/containerd/config.toml"
  echo -n "$version" >"$root/kind/version"
  for program in ptp loopback portmap host-local; do ln -sf "/usr/lib/cni/$program" "$root/opt/cni/bin/$program"; done
  cp "$work/kube" "$root/usr/local/bin/kube"
  for program in kubelet kubeadm kubectl; do ln -sf /usr/local/bin/kube "$root/usr/bin/$program"; done
  only_what_a_node_starts "$root"
  rm -f "$root/etc/machine-id"
  image "$work/node" "$tag" <<'END'
ENV container=docker
STOPSIGNAL SIGRTMIN+3
ENTRYPOINT ["/usr/local/bin/node-entrypoint"]
END
}
