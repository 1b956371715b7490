# Keycloak: the distribution that its makers publish as a Maven artifact, on Debian's Java.
# shellcheck shell=bash disable=SC2034,SC2154

version=26.7.3
tag=quay.io/keycloak/keycloak:$version
inputs=()

# server_build ROOT does what start-dev would do first at every start of a container, 20 s of work: it builds the server
# for the profile dev, which `kc.sh build` does not know. The server then starts; it is ended once it has said so. The
# only network that it sees is a loopback of its own.
server_build() {
  local pid
  unshare --mount --pid --net --fork --kill-child --mount-proc="$1/proc" \
    sh -c "ip link set lo up && exec chroot --userspec=1000:0 '$1' env KC_RUN_IN_CONTAINER=true KC_HEALTH_ENABLED=true /opt/keycloak/bin/kc.sh start-dev" \
    >"$work/server.log" 2>&1 &
  pid=$!
  for _ in $(seq 1800); do
    grep -q 'Listening on' "$work/server.log" && break
    kill -0 "$pid" 2>/dev/null || break
    sleep 0.1
  done
  # The child is the first process of its namespace, so that all others of it end as well, and unshare ends after it. The other
  # way round the child would stay: it changed its user, and the kernel then forgets that it wanted to end with its parent.
  pkill -KILL --parent "$pid" || kill -KILL "$pid" 2>/dev/null || true
  wait "$pid" 2>/dev/null || true
  grep -q 'Listening on' "$work/server.log" || { cat "$work/server.log" >&2; return 1; }
  rm -rf "$1"/opt/keycloak/data/*
}

build() {
  local root=$work/keycloak/root
  mkdir -p "$work/keycloak"
  need mvn:maven
  timed "Debian packages of Keycloak" -- debian_root "$root" ca-certificates,openjdk-17-jre-headless
  timed "Keycloak's distribution" -- quietly mvn --batch-mode --strict-checksums dependency:copy \
    -Dartifact="org.keycloak:keycloak-quarkus-dist:$version:tar.gz" -DoutputDirectory="$work"
  mkdir -p "$root/opt"
  tar -C "$root/opt" --no-same-owner -xzf "$work/keycloak-quarkus-dist-$version.tar.gz"
  mv "$root/opt/keycloak-$version" "$root/opt/keycloak"
  chown -R 1000:0 "$root/opt/keycloak"
  chmod -R g+rwX "$root/opt/keycloak"
  echo 'keycloak:x:1000:0:Keycloak:/opt/keycloak:/sbin/nologin' >>"$root/etc/passwd"
  need ip:iproute2
  timed "Keycloak's own build" -- server_build "$root"
  image "$work/keycloak" "$tag" <<'END'
ENV LANG=C.UTF-8 KC_RUN_IN_CONTAINER=true KC_HEALTH_ENABLED=true
USER 1000
EXPOSE 8080 8443 9000
ENTRYPOINT ["/opt/keycloak/bin/kc.sh"]
END
}
