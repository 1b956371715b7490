. ./env.sh
STATE=$XDG_STATE_HOME/aip-dev/aip
base=http://localhost:$ISSUER_PORT
admin() { # METHOD PATH [JSON]: calls the provider as its administrator does
  token=$(curl -sf $base/realms/master/protocol/openid-connect/token -d client_id=admin-cli -d username=admin -d password=admin -d grant_type=password | sed 's/.*"access_token":"\([^"]*\)".*/\1/')
  curl -sf -X "$1" -H "Authorization: Bearer $token" -H 'Content-Type: application/json' "$base/admin$2" ${3:+-d "$3"}
}
client() { admin GET "/realms/aip/clients?clientId=$1" | sed 's/^\[{"id":"\([^"]*\)".*/\1/'; }
mapper() { admin GET "/realms/aip/clients/$(client "$1")/protocol-mappers/models" | sed 's/^\[{"id":"\([^"]*\)".*/\1/'; }
registration() { # PATH CLIENT: calls an endpoint of AgentRegistrations as a client; another gateway process may know of a change later
  until aip-dev token "$2" --header | curl -sf -X POST -H @- "$AIP_GATEWAY_URL/agent-registrations/$1"; do sleep 0.1; done
}
# Waits until the rollout of the gateway is through and the pod of before, which serves on for a moment, is gone.
rolled() {
  kubectl rollout status deployment/aip-k8s-gateway -n aip-k8s-system --timeout=30s
  for i in $(seq 300); do
    [ "$(kubectl get pods -n aip-k8s-system -l app.kubernetes.io/component=gateway -o name | wc -l)" = 1 ] && return
    sleep 0.1
  done
  echo "the pod of before is still there"; return 1
}
