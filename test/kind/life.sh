# shellcheck shell=bash
# The life of an environment in a Kind cluster. Sourced by kind.sh, which has the words of ../guide/lib.sh.
# shellcheck disable=SC2154,SC2016,SC2034 # commands are expanded when they are run; ../guide/lib.sh reads what seems unused

environment=life-$$
up="aip-dev up --cluster kind --tui=never --name $environment $AIP_UP"
down="aip-dev down --name $environment"
node=aip-dev-$environment-control-plane
baseline=aip-baseline-$$

life() {
  number=0 failed=0 cluster=kind KEYCLOAK=http://localhost:8090 GATEWAY=http://localhost:8080
  work=$(mktemp -d "${TMPDIR:-/tmp}/aip-kind.XXXXXX") || exit
  export XDG_STATE_HOME=$work/state XDG_CACHE_HOME=$work/cache KUBECACHEDIR=$work/kube
  unset KUBECONFIG
  trap 'leave_life; exit' EXIT
  trap 'exit 130' INT TERM
  created
  repeated
  conforms
  waits
  faults
  keycloak_restarts
  interrupted
  engine_restarts
  stopped
  removed
  kept
  printf '\n%d passed, %d failed\n' "$((number - failed))" "$failed"
  [[ $failed -eq 0 ]]
}

leave_life() {
  local status=$?
  trap - EXIT
  aip-dev down --name "$environment" >/dev/null 2>&1
  kind delete cluster --name "$baseline" --kubeconfig "$work/baseline" >/dev/null 2>&1
  rm -rf "$work"
  return "$status"
}

# took COMMAND EXPECTATION... is check, and says how long the command took; TAKEN keeps that in milliseconds.
took() {
  local began ended
  began=$(date +%s%N)
  check "$1" "${@:2}"
  ended=$(date +%s%N)
  TAKEN=$(((ended - began) / 1000000))
  printf '          %d.%03d s\n' "$((TAKEN / 1000))" "$((TAKEN % 1000))"
}

# at_most MILLISECONDS WHAT FOUND
at_most() {
  COMMAND="$2: $3 ms, at most $1 ms" OUT='' STATUS=0
  [[ $3 -le $1 ]] || STATUS=1
  verdict 'exit 0'
}

# plain_config describes a cluster of kind's own that starts on a machine with cgroup v1 as well.
plain_config() {
  printf 'kind: Cluster\napiVersion: kind.x-k8s.io/v1alpha4\nkubeadmConfigPatches:\n- |\n  kind: KubeletConfiguration\n  apiVersion: kubelet.config.k8s.io/v1beta1\n  failCgroupV1: false\n'
}

# resources digests the versions of everything that an environment could write.
resources() {
  kubectl get deployments,services,secrets,configmaps,serviceaccounts,agentrequests,safetypolicies,namespaces,clusterroles,crds \
    --all-namespaces -o jsonpath='{range .items[*]}{.kind}/{.metadata.namespace}/{.metadata.name}@{.metadata.uid}@{.metadata.resourceVersion}{"\n"}{end}' |
    grep -v kube-system | sort | sha256sum
}

# engine_holds lists the networks and volumes of the engine.
engine_holds() { docker network ls --format '{{.Name}}' | sort; docker volume ls --quiet | sort; }

created() {
  part 'Created, against kind create cluster with the same node image'
  local kubeconfigs=$HOME/.kube/config before after plain keycloak
  before=$(sha256sum "$kubeconfigs" 2>&1)
  plain_config >"$work/baseline.yaml"
  took "kind create cluster --wait 3m --name $baseline --image $NODE_IMAGE --config $work/baseline.yaml --kubeconfig $work/baseline"
  plain=$TAKEN
  check "kind delete cluster --name $baseline --kubeconfig $work/baseline"
  docker network rm kind >/dev/null # kind leaves it behind
  engine_before=$(engine_holds)
  took "$up" 'has Ready in' 'has gateway    http://localhost:8080'
  keycloak=$(step_took identity)
  at_most 25000 "up, without the step that starts Keycloak (${keycloak} ms), over kind create cluster" "$((TAKEN - keycloak - plain))"
  after=$(sha256sum "$kubeconfigs" 2>&1)
  check "[ '$before' = '$after' ]"
  check 'eval "$(aip-dev env --name '"$environment"')"'
  if [[ $(docker info --format '{{.CgroupVersion}}') == 1 ]]; then # or the kubelet refuses to start
    check "docker exec $node cat /var/lib/kubelet/config.yaml" 'has failCgroupV1: false'
  fi
  check "aip-dev status --name $environment" 'has ready'
  check "aip-dev status --name $environment -o json" 'json d["phase"] == "ready" and d["cluster"] == "kind"'
}

# step_took STEP prints the milliseconds that the last run took for a step.
step_took() {
  python3 -c '
import json, sys
took = [e["took"] for e in map(json.loads, open(sys.argv[1])) if e.get("step") == sys.argv[2] and e["kind"] == "done"]
print(took[-1] // 1000000)' "$XDG_STATE_HOME/aip-dev/$environment/up.log" "$1"
}

repeated() {
  part 'A second up has nothing to do'
  local before
  before=$(resources)
  took "$up" 'has nothing had to be done'
  at_most 3000 'up with nothing to do' "$TAKEN"
  check "[ '$before' = '$(resources)' ]"
}

conforms() {
  part 'Keycloak and the built-in issuer answer the same'
  check "cd $repository && AIP_KEYCLOAK=http://localhost:8090 go test -count=1 -v -run TestKeycloak ./test/conformance" 'has --- PASS: TestKeycloak' 'hasnot names no Keycloak'
}

# told_after STEP TEXT prints how many milliseconds after the last start of a step it said the text.
told_after() {
  python3 -c '
import json, sys
from datetime import datetime
began, found = None, None
for e in map(json.loads, open(sys.argv[1])):
    if e.get("step") != sys.argv[2]: continue
    at = datetime.fromisoformat(e["at"][:26].rstrip("Z") + "+00:00")
    if e["kind"] == "started": began, found = at, None
    elif e["kind"] == "note" and sys.argv[3] in e.get("text", "") and not found: found = at
print(int((found - began).total_seconds() * 1000) if found else 999999)' "$XDG_STATE_HOME/aip-dev/$environment/up.log" "$@"
}

# waits makes a node that takes no pods, a volume that cannot be mounted, a program that ends at once and an image that cannot be
# pulled: `up` says so soon, in the words of the pod, and names it when it gives up.
waits() {
  part 'While it waits, up says for what'
  check "kubectl cordon $node"
  check 'kubectl delete pod -n aip-k8s-system --all --wait=false'
  check "$up --timeout 15s" 'exit 1' 'has unschedulable'
  at_most 5000 'until up says that the pod is unschedulable' "$(told_after gateway unschedulable)"
  check "kubectl uncordon $node"
  check "$up" 'has Ready'
  gateway_with '"volumes":[{"name":"none","secret":{"secretName":"none-there"}}],"containers":[{"name":"gateway","volumeMounts":[{"name":"none","mountPath":"/none"}]}]' \
    'secret "none-there" not found'
  gateway_with '"containers":[{"name":"gateway","args":["gateway","--none-such"]}]' 'unknown flag: --none-such'
  check 'kubectl set image -n keycloak deployment/keycloak *=localhost:1/none:v1'
  check "$up --timeout 20s" 'exit 1' 'has localhost:1/none:v1'
  at_most 5000 'until up says that the image cannot be pulled' "$(told_after identity localhost:1/none:v1)"
  check 'kubectl rollout undo -n keycloak deployment/keycloak'
  check "$up" 'has Ready'
}

# gateway_with FIELDS REASON gives the gateway's pods fields with which they do not become ready, for that reason.
gateway_with() {
  check "kubectl patch deployment aip-k8s-gateway -n aip-k8s-system -p '{\"spec\":{\"template\":{\"spec\":{$1}}}}'"
  check "$up --timeout 15s" 'exit 1' "has $2"
  at_most 5000 "until up says $2" "$(told_after gateway "$2")"
  check 'kubectl rollout undo deployment/aip-k8s-gateway -n aip-k8s-system'
  check "$up" 'has Ready'
}

# faults asks for what cannot be; each is refused before anything changes.
faults() {
  part 'What cannot be is refused'
  check "aip-dev up --cluster embedded --tui=never --name $environment" 'exit 5' 'has lives in kind'
  check "aip-dev up --cluster kind --tui=never --name other-$$ --node-image localhost:1/nowhere:v0" 'exit 1' 'has localhost:1/nowhere:v0: the node image cannot be had' 'has --bundle'
  check "aip-dev up --cluster kind --tui=never --name other-$$ --gateway-port 8080 $AIP_UP" 'exit 5' 'has 8080'
  machine_lacks
  check "aip-dev down --name other-$$"
  check "docker ps --all --quiet --filter name=aip-dev-other-$$" 'hasnot a' # no container was made
}

# machine_lacks asks for an environment on a machine that is too small. What the kernel says is laid over in a mount namespace that
# `up` has to itself, and what the engine says of its memory in a program that stands before docker.
machine_lacks() {
  local other="aip-dev up --cluster kind --tui=never --name other-$$ $AIP_UP"
  echo 8 >"$work/low"
  check "unshare --mount sh -c 'mount --bind $work/low /proc/sys/fs/inotify/max_user_instances && $other'" 'exit 1' \
    'has inotify: too low: fs.inotify.max_user_instances: found 8, expected at least 128' 'has sudo sysctl fs.inotify.max_user_instances=512'
  check "unshare --mount sh -c 'mount -t tmpfs -o size=1g none $(docker info --format '{{.DockerRootDir}}') && $other'" 'exit 1' \
    'has disk: 1024 MiB disk free: found 1024 MiB, expected at least 4096 MiB' 'has du -xh'
  mkdir -p "$work/small"
  printf '#!/bin/sh\n%s "$@" | %s\n' "$(command -v docker)" "sed 's/\"MemTotal\":[0-9]*/\"MemTotal\":1073741824/'" >"$work/small/docker"
  chmod +x "$work/small/docker"
  check "PATH=$work/small:\$PATH $other" 'exit 1' 'has memory: memory of docker: found 1024 MiB, expected at least 2048 MiB' 'has give docker more memory'
}

keycloak_restarts() {
  part 'Keycloak restarts and forgets everything'
  check 'kubectl rollout restart deployment/keycloak -n keycloak'
  check 'kubectl rollout status deployment/keycloak -n keycloak --timeout=3m' 'has successfully rolled out'
  soon "aip-dev token aip-agent-1 --fresh --name $environment" 'exit 1' 'has Realm does not exist'
  took "$up" 'has realm aip'
  check "aip-dev token aip-agent-1 --fresh --name $environment" 'has eyJ'
}

# killed_in STEP runs up and ends it the hard way as soon as the step has begun.
killed_in() {
  local log=$XDG_STATE_HOME/aip-dev/$environment/up.log lines pid
  lines=$(cat "$log" 2>/dev/null | wc -l)
  COMMAND="kill -9 in step $1" OUT='' STATUS=0
  $up >"$work/killed" 2>&1 </dev/null &
  pid=$!
  local end=$((SECONDS + 120))
  until tail -n "+$((lines + 1))" "$log" 2>/dev/null | grep -q "\"step\":\"$1\",\"kind\":\"started\""; do
    if ! kill -0 "$pid" 2>/dev/null || [[ $SECONDS -gt $end ]]; then
      OUT=$(<"$work/killed") STATUS=1
      break
    fi
    sleep 0.02
  done
  kill -9 "$pid" 2>/dev/null
  wait "$pid" 2>/dev/null
  verdict 'exit 0'
}

interrupted() {
  part 'Killed in every step, then up'
  local step
  check "$down" 'has is gone'
  for step in preflight cluster images resources identity gateway policies proof; do
    killed_in "$step"
  done
  took "$up" 'has Ready'
  check "aip-dev status --name $environment" 'has ready'
  check 'eval "$(aip-dev env --name '"$environment"')"'
  check "docker ps --quiet --filter name=$node" any
}

engine_restarts() {
  part 'The container engine restarts'
  REQUEST=$(aip-dev request submit --name "$environment" --action delete --target k8s://prod/kept --reason 'kept over a restart' -o name)
  if ! "$folder/../engine/engine.sh" ours; then
    printf '          the engine was not started by engine.sh, so the restart is of the containers alone\n'
    check "docker restart $node"
  else
    check "$folder/../engine/engine.sh stop" 'has stopped'
    check "aip-dev status --name $environment" 'exit 1' 'has no container engine answers'
    check "aip-dev agent add aip-agent-2 --name $environment" 'exit 1' 'has no container engine answers' 'has start docker'
    check "$folder/../engine/engine.sh start" 'has started'
  fi
  ready_again 180
  check "aip-dev request get $REQUEST --name $environment" 'has Pending'
  check "aip-dev request approve $REQUEST --as aip-reviewer-1 --name $environment" 'has Approved'
}

# ready_again SECONDS waits until the environment is ready without an up.
ready_again() {
  local end=$((SECONDS + $1)) began=$SECONDS
  run "aip-dev status --name $environment"
  while [[ $STATUS -ne 0 && $SECONDS -lt $end ]]; do
    sleep 1
    run "aip-dev status --name $environment"
  done
  verdict 'exit 0' 'has ready'
  printf '          ready again after %d s\n' "$((SECONDS - began))"
}

stopped() {
  part 'Stopped and started'
  check "aip-dev stop --name $environment" 'has its state is kept'
  check "aip-dev status --name $environment" 'exit 1' 'has stopped'
  check "aip-dev token aip-agent-1 --name $environment --fresh" 'exit 1' "has environment $environment is stopped"
  check "aip-dev agent add aip-agent-2 --name $environment" 'exit 1' "has environment $environment is stopped" "has aip-dev start --name $environment"
  took "aip-dev start --name $environment" 'has Ready'
  check "aip-dev request get $REQUEST --name $environment" 'has Approved'
}

removed() {
  part 'Nothing is left'
  took "$down" 'has is gone'
  check "docker ps --all --quiet --filter name=aip-dev-$environment | wc -l" 'has 0'
  check "[ '$engine_before' = '$(engine_holds)' ]"
  check 'curl -s http://localhost:8080/healthz' 'exit 7'
  check 'curl -s http://localhost:8090/realms/aip' 'exit 7'
  check "find $XDG_STATE_HOME -mindepth 2 -not -name '*.journal*'" 'hasnot life'
  check "pgrep -f 'aip-dev .*$environment'" 'exit 1'
}

kept() {
  part 'A Keycloak in production mode, with PostgreSQL, forgets nothing'
  took "$up --keycloak-database postgres" 'has Ready'
  check 'eval "$(aip-dev env --name '"$environment"')"'
  check 'kubectl rollout restart deployment/keycloak -n keycloak'
  check 'kubectl rollout status deployment/keycloak -n keycloak --timeout=3m' 'has successfully rolled out'
  soon "aip-dev token aip-agent-1 --fresh --name $environment" 'has eyJ'
  check "aip-dev up --cluster kind --tui=never --name $environment --keycloak-database memory --gateway-port 18080" 'exit 5' 'has gateway port: found 8080, expected 18080'
  check "aip-dev doctor --name $environment" 'has Nothing is wrong'
  check "$down" 'has is gone'
}
