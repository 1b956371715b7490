# What the command began comes to its end: containers that it started, and a rollout.
for i in $(seq 60); do
  aip-dev status > /dev/null 2>&1 && break
  sleep 1
done
for d in keycloak/keycloak aip-k8s-system/aip-k8s-gateway; do
  kubectl rollout status deployment/${d#*/} -n ${d%/*} --timeout=30s > /dev/null
done
