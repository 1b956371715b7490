# What the command began comes to its end: containers that it started, and rollouts.
for i in $(seq 60); do
  aip-dev status > /dev/null 2>&1 && break
  sleep 1
done
kubectl rollout status deployment/keycloak -n keycloak --timeout=30s > /dev/null
rolled > /dev/null
