#!/bin/bash
# A container engine for the tests on a machine that has none: installs Docker from Debian, starts its daemon and stops
# it again. Where an engine answers already, nothing is started and nothing is stopped.
#
#   engine.sh start    an engine answers when this returns
#   engine.sh stop     ends the daemon that start started
#   engine.sh ours     tells by its exit status whether start started the daemon that runs
#   engine.sh status   says what runs, and how many packets the guard held back
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
state=${AIP_ENGINE_STATE:-/var/lib/aip-dev-engine}
pid_file=$state/dockerd.pid

say() { echo "engine: $*"; }
answers() { docker version --format '{{.Server.Version}}' >/dev/null 2>&1; }

# Addresses of a cluster mean nothing outside of it. Before kube-proxy has written its rules they would follow the
# default route, so they are refused here, before anything can send one. Docker asks its chain DOCKER-USER first and
# keeps what it finds there.
guard() {
  local chain net
  iptables -w -nL DOCKER-USER >/dev/null 2>&1 || iptables -w -N DOCKER-USER
  for net in 10.96.0.0/12 10.244.0.0/16; do
    for chain in OUTPUT FORWARD DOCKER-USER; do
      iptables -w -C "$chain" ! -o lo -d "$net" -j REJECT 2>/dev/null || iptables -w -I "$chain" ! -o lo -d "$net" -j REJECT
    done
  done
}

install() {
  local missing=()
  command -v dockerd >/dev/null || missing+=(docker.io)
  command -v docker >/dev/null || missing+=(docker.io)
  command -v iptables >/dev/null || missing+=(iptables)
  [ ${#missing[@]} -eq 0 ] && return
  say "installing ${missing[*]}"
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "${missing[@]}" >/dev/null
}

# Docker 20.10 gives a privileged container all capabilities that the kernel knows; runc refuses those that this machine
# lacks itself.
lacks_capabilities() {
  local bounding all
  bounding=0x$(awk '/^CapBnd:/ {print $2}' /proc/self/status)
  all=$(((1 << ($(cat /proc/sys/kernel/cap_last_cap) + 1)) - 1))
  (((bounding & all) != all))
}

start() {
  local pid
  install
  guard
  if answers; then
    say "docker $(docker version --format '{{.Server.Version}}') answers"
    return
  fi
  local options=(--data-root "$state/docker" --exec-root /run/aip-dev-engine --pidfile "$pid_file")
  mkdir -p "$state"
  ours || rm -f "$pid_file" # of a daemon that was killed; the number may be another program's by now
  if lacks_capabilities; then
    [ "$state/bounded" -nt "$here/bounded/main.go" ] || (cd "$here" && CGO_ENABLED=0 go build -o "$state/bounded" ./bounded)
    options+=(--add-runtime "bounded=$state/bounded" --default-runtime bounded)
  fi
  # Only the three streams: the daemon must not keep a lock or a pipe of whoever called this, nor a temporary folder that goes.
  (
    unset TMPDIR
    for descriptor in /proc/self/fd/*; do
      descriptor=${descriptor##*/}
      [ "$descriptor" -le 2 ] || eval "exec $descriptor>&-"
    done
    exec setsid nohup dockerd "${options[@]}" >"$state/dockerd.log" 2>&1 </dev/null
  ) &
  for _ in $(seq 300); do
    answers && break
    sleep 0.1
  done
  if ! answers; then
    tail -5 "$state/dockerd.log" >&2
    say "dockerd does not answer after 30 s, see $state/dockerd.log" >&2
    exit 1
  fi
  say "started docker $(docker version --format '{{.Server.Version}}')"
}

# ours succeeds when a daemon runs that start started; pid is then its process.
ours() {
  pid=$(cat "$pid_file" 2>/dev/null || true)
  [ -n "$pid" ] && [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = dockerd ]
}

stop() {
  local pid
  if ! ours; then
    say "no daemon of ours runs"
    return
  fi
  kill "$pid"
  for _ in $(seq 300); do
    [ -e "/proc/$pid" ] || break
    sleep 0.1
  done
  if [ -e "/proc/$pid" ]; then
    say "dockerd (process $pid) still runs after 30 s" >&2
    exit 1
  fi
  say "stopped"
}

status() {
  if answers; then
    docker info --format 'engine: docker {{.ServerVersion}}, cgroup v{{.CgroupVersion}}, runtime {{.DefaultRuntime}}, {{.Containers}} containers'
  else
    say "no engine answers"
  fi
  iptables -w -nvxL | awk '/REJECT/ && /10\.(96|244)\./ {n += $1} END {printf "engine: %d packets to cluster addresses were held back\n", n}'
}

[ "$(id -u)" = 0 ] || { say "needs root, for the packages, the daemon and the packet filter" >&2; exit 1; }
case ${1-} in
  start | stop | ours | status) "$1" ;;
  *) echo "usage: engine.sh start|stop|ours|status" >&2; exit 2 ;;
esac
