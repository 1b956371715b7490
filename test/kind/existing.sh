# shellcheck shell=bash
# A cluster that somebody else made with kind. Sourced by kind.sh, which has the words of ../guide/lib.sh and life.sh.
# shellcheck disable=SC2154,SC2016,SC2034 # commands are expanded when they are run; ../guide/lib.sh reads what seems unused

theirs=theirs-$$
gateway_image=aip-dev.test/gateway:e2e

existing() {
  number=0 failed=0
  work=$(mktemp -d "${TMPDIR:-/tmp}/aip-existing.XXXXXX") || exit
  export XDG_STATE_HOME=$work/state XDG_CACHE_HOME=$work/cache KUBECACHEDIR=$work/kube KUBECONFIG=$work/theirs
  trap 'leave_existing; exit' EXIT
  trap 'exit 130' INT TERM
  made_by_kind
  foreign
  installed
  given_back
  closing
}

leave_existing() {
  local status=$?
  trap - EXIT
  aip-dev down --name team >/dev/null 2>&1
  kind delete cluster --name "aip-dev-$theirs" --kubeconfig "$work/theirs" >/dev/null 2>&1
  docker network rm kind >/dev/null 2>&1
  docker image rm "$gateway_image" >/dev/null 2>&1
  rm -rf "$work"
  return "$status"
}

# everything lists what the cluster holds. Endpoints follow pods, and the cluster renews them by itself.
everything() {
  local kinds
  kinds=$(kubectl api-resources --verbs=list -o name | grep -v '^events\|^leases\|^endpoint\|^componentstatuses' | sort | paste -sd,)
  kubectl get "$kinds" --all-namespaces -o custom-columns=K:.kind,NS:.metadata.namespace,N:.metadata.name,U:.metadata.uid --no-headers | tr -s ' ' | sort
}

made_by_kind() {
  part 'A cluster of the name that an environment would have, with the images that it will need'
  local keycloak
  keycloak=$(sed -n 's/^ *image: //p' "$repository/manifests/keycloak-dev.yaml")
  plain_config >"$work/theirs.yaml"
  check "kind create cluster --wait 3m --name aip-dev-$theirs --image $NODE_IMAGE --config $work/theirs.yaml --kubeconfig $work/theirs"
  [[ $STATUS -eq 0 ]] || closing
  printf 'FROM scratch\nCOPY aip-dev /aip-dev\nUSER 65532:65532\nENTRYPOINT ["/aip-dev"]\n' >"$work/Dockerfile"
  check "DOCKER_BUILDKIT=0 docker build --quiet --tag $gateway_image --file $work/Dockerfile $repository/bin"
  check "kind load docker-image --name aip-dev-$theirs $gateway_image $keycloak"
  check 'kubectl rollout status deployment/coredns -n kube-system --timeout=2m'
  check 'kubectl create configmap theirs --from-literal=a=b'
}

foreign() {
  part 'It is not taken for one of ours'
  everything >"$work/before"
  check "aip-dev up --cluster kind --tui=never --name $theirs $AIP_UP" 'exit 5' 'has the cluster was not made by aip-dev' 'has aip-dev up --cluster kind --name another'
  check "aip-dev down --name $theirs" 'has was not made by aip-dev and stays'
  check "everything | diff $work/before -"
}

installed() {
  part 'An environment in it, with Keycloak and two gateways'
  local to="--kubeconfig $work/theirs --context kind-aip-dev-$theirs --name team"
  cp "$work/theirs" "$work/kubeconfig.before"
  check "aip-dev up --cluster existing $to --gateway-image $gateway_image --replicas 2 --tui=never" 'exit 2' 'has Deployment aip-k8s-system/aip-k8s-gateway' 'has nothing was made'
  check "everything | diff $work/before -"
  took "aip-dev up --cluster existing $to --gateway-image $gateway_image --replicas 2 --tui=never --yes" 'has Ready in'
  [[ $STATUS -eq 0 ]] || closing
  check "kubectl get deployment aip-k8s-gateway -n aip-k8s-system -o jsonpath={.status.readyReplicas}" 'has 2'
  REQUEST=$(aip-dev request submit --name team --action delete --target k8s://prod/default/deployment/web --reason idle -o name)
  check "aip-dev request approve $REQUEST --name team" 'has Approved'
  took "aip-dev agent add aip-agent-2 --name team" 'has aip-agent-2'
  check "aip-dev token aip-agent-2 --name team" 'has eyJ'
  took 'aip-dev up --name team --tui=never' 'has nothing had to be done'
  check 'aip-dev doctor --name team' 'has Nothing is wrong'
}

given_back() {
  part 'What down leaves is what was there before'
  took 'aip-dev down --name team'
  check "everything | diff $work/before -"
  check "cmp $work/theirs $work/kubeconfig.before"
  check "find $XDG_STATE_HOME -mindepth 2 -not -name '*.journal*'" 'hasnot team'
  check "pgrep -f 'aip-dev .*--name team'" 'exit 1'
}
