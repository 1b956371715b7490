# shellcheck shell=bash
# The calls that the guide makes more than once, word for word, with what differs as arguments. Sourced by guide.sh.

# admin_token keeps a token of the administrator in ADMIN_TOKEN.
admin_token() {
  cat <<'END'
ADMIN_TOKEN=$(curl -s -X POST http://localhost:8090/realms/master/protocol/openid-connect/token \
  -d "client_id=admin-cli" \
  -d "username=admin" \
  -d "password=admin" \
  -d "grant_type=password" \
  | python3 -c "import sys,json; print(json.load(sys.stdin)['access_token'])")
END
}

# client ID SECRET creates a client.
client() {
  cat <<END
curl -s -X POST http://localhost:8090/admin/realms/aip/clients \\
  -H "Authorization: Bearer \$ADMIN_TOKEN" \\
  -H "Content-Type: application/json" \\
  -d '{
    "clientId": "$1",
    "enabled": true,
    "publicClient": false,
    "serviceAccountsEnabled": true,
    "standardFlowEnabled": false,
    "directAccessGrantsEnabled": false,
    "clientAuthenticatorType": "client-secret",
    "secret": "$2"
  }' -w "\nHTTP %{http_code}"
END
}

# client_id VARIABLE ID keeps the internal id of a client.
client_id() {
  cat <<END
$1=\$(curl -s "http://localhost:8090/admin/realms/aip/clients?clientId=$2" \\
  -H "Authorization: Bearer \$ADMIN_TOKEN" \\
  | python3 -c "import sys,json; print(json.load(sys.stdin)[0]['id'])")
END
}

# mapper adds the audience mapper to the client whose internal id is in CLIENT_ID.
mapper() {
  cat <<'END'
curl -s -X POST "http://localhost:8090/admin/realms/aip/clients/$CLIENT_ID/protocol-mappers/models" \
    -H "Authorization: Bearer $ADMIN_TOKEN" \
    -H "Content-Type: application/json" \
    -d '{
      "name": "audience-aip-gateway",
      "protocol": "openid-connect",
      "protocolMapper": "oidc-audience-mapper",
      "config": {
        "included.custom.audience": "aip-gateway",
        "id.token.claim": "true",
        "access.token.claim": "true"
      }
    }' -w "\nHTTP %{http_code}"
END
}

# token POD ID SECRET mints a token.
token() {
  cat <<END
kubectl run -it --rm $1 \\
  --image=curlimages/curl:latest \\
  --restart=Never \\
  -- curl -s -X POST http://keycloak.keycloak.svc.cluster.local:8080/realms/aip/protocol/openid-connect/token \\
    -d "grant_type=client_credentials" \\
    -d "client_id=$2" \\
    -d "client_secret=$3" \\
    -d "scope=openid"
END
}

# NOTE: the guide shows 300; Keycloak counts from the second in which the request came, so one may have passed.
# mint VARIABLE POD ID SECRET checks the answer to that call and keeps its access_token, as a person does who copies it.
mint() {
  check "$(token "$2" "$3" "$4")" \
    'json d["access_token"].startswith("eyJ")' 'json d["token_type"] == "Bearer"' 'json d["expires_in"] in (300, 299)'
  printf -v "$1" '%s' "$(answer access_token)"
}

# claims VARIABLE [FILTER] prints the claims of the token in the variable, as it does it for diagnosis.
claims() {
  cat <<END
echo \$$1 | cut -d. -f2 | python3 -c "import sys,base64,json; p=sys.stdin.read().strip(); p+='='*(-len(p)%4); print(json.dumps(json.loads(base64.urlsafe_b64decode(p)), indent=2))"${2:+ | grep $2}
END
}

# submit VARIABLE ID ACTION TARGET sends an AgentRequest with the token in the variable. The guide names the status in
# its text; here curl prints it.
submit() {
  cat <<END
curl -s -X POST http://localhost:8080/agent-requests \\
  -H "Authorization: Bearer \$$1" \\
  -H "Content-Type: application/json" \\
  -d '{
    "agentIdentity": "$2",
    "action":        "$3",
    "targetURI":     "k8s://prod/default/deployment/$4",
    "reason":        "scheduled maintenance window"
  }' -w "\nHTTP %{http_code}"
END
}

# approve VARIABLE approves the request whose name is in REQUEST_NAME, with the token in the variable.
approve() {
  cat <<END
curl -s -X POST http://localhost:8080/agent-requests/\$REQUEST_NAME/approve \\
  -H "Authorization: Bearer \$$1" \\
  -H "Content-Type: application/json" \\
  -d '{"reason": "approved for maintenance window"}' -w "\nHTTP %{http_code}"
END
}

# upgrade VALUE... changes values of the chart.
upgrade() {
  printf 'helm upgrade aip-k8s charts/aip-k8s \\\n  --reuse-values'
  printf ' \\\n  --set %s' "$@"
}

# settle waits for the gateway, whose pods the last command replaced. A pod that ends serves on for 3 s, so a call right after
# that may still meet it.
settle() {
  check 'kubectl rollout status deployment/aip-k8s-gateway -n aip-k8s-system --timeout=60s' 'has successfully rolled out'
  local end=$((SECONDS + 20))
  until [[ $(kubectl get pods -n aip-k8s-system -l app.kubernetes.io/component=gateway -o name | wc -l) -eq 1 || $SECONDS -gt $end ]]; do
    sleep 0.2
  done
}
