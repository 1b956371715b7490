{{/* The chart's name in labels. */}}
{{- define "aip-k8s.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* The prefix of every name: the release's name, with the chart's name unless it holds it already. At most 55
characters, so that "-gateway" still fits into a DNS label. */}}
{{- define "aip-k8s.fullname" -}}
{{- $name := include "aip-k8s.name" . }}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 55 | trimSuffix "-" }}
{{- else if contains $name .Release.Name }}
{{- .Release.Name | trunc 55 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 55 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "aip-k8s.gateway.fullname" -}}
{{- printf "%s-gateway" (include "aip-k8s.fullname" .) }}
{{- end }}

{{/* The labels that select the gateway's pods; they can never change. */}}
{{- define "aip-k8s.gateway.selectorLabels" -}}
app.kubernetes.io/name: {{ include "aip-k8s.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: gateway
{{- end }}

{{- define "aip-k8s.gateway.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{ include "aip-k8s.gateway.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{/* Whether more than one gateway may run, so that they have to agree on the one that drives requests forward. */}}
{{- define "aip-k8s.gateway.many" -}}
{{- if or (gt (int .Values.gateway.replicaCount) 1) (.Values.gateway.autoscaling).enabled }}true{{ end }}
{{- end }}

{{/* The scheme that the gateway serves with, as probes spell it. */}}
{{- define "aip-k8s.gateway.scheme" -}}
{{- if (.Values.gateway.tls).secretName }}HTTPS{{ else }}HTTP{{ end }}
{{- end }}

{{- define "aip-k8s.gateway.image" -}}
{{- printf "%s:%s" .Values.gateway.image.repository (default .Chart.AppVersion .Values.gateway.image.tag) }}
{{- end }}

{{/* What every container may do: nothing but run. */}}
{{- define "aip-k8s.container.securityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{- define "aip-k8s.pod.securityContext" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
{{- if or (fromJsonArray (include "aip-k8s.gateway.secrets" .)) .Values.gateway.jwtKeyPath }}
fsGroup: 65532
{{- end }}
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{/* The gateway's command line as a YAML list. A flag is left out when its value is empty; a list is joined with
commas; the number 0 is a value. The token flags only mean something with an issuer, proxies without one. */}}
{{- define "aip-k8s.gateway.args" -}}
{{- $gateway := .Values.gateway }}
{{- $auth := $gateway.auth }}
{{- $flags := list
  (list "dedup-window" $gateway.dedupWindow)
  (list "wait-timeout" $gateway.waitTimeout)
  (list "default-action" $gateway.defaultAction)
  (list "ops-lock-duration" $gateway.opsLockDuration)
  (list "ops-lock-wait-timeout" $gateway.opsLockWaitTimeout)
  (list "approved-timeout" $gateway.approvedTimeout)
  (list "verify-timeout" $gateway.verifyTimeout)
  (list "unregistered-agent-policy" $gateway.unregisteredAgentPolicy)
  (list "jwt-key-path" $gateway.jwtKeyPath)
}}
{{- $github := ($gateway.contextFetchers).github }}
{{- if ($github).apiURL }}
{{- $flags = append $flags (list "github-api-url" $github.apiURL) }}
{{- if $github.tokenSecretName }}
{{- $flags = append $flags (list "github-token-file" "/etc/aip-gateway/github/token") }}
{{- end }}
{{- end }}
{{- if $auth.oidcIssuerURL }}
{{- $flags = concat $flags (list
  (list "oidc-issuer-url" $auth.oidcIssuerURL)
  (list "oidc-audience" $auth.oidcAudience)
  (list "oidc-ca" $auth.oidcCA)
  (list "oidc-preset" $auth.oidcPreset)
  (list "oidc-identity-claim" $auth.oidcIdentityClaim)
  (list "oidc-groups-claim" $auth.oidcGroupsClaim)
) }}
{{- else }}
{{- $flags = append $flags (list "trusted-proxy-cidrs" $auth.trustedProxyCIDRs) }}
{{- end }}
{{- $flags = concat $flags (list
  (list "agent-subjects" $auth.agentSubjects)
  (list "reviewer-subjects" $auth.reviewerSubjects)
  (list "admin-subjects" $auth.adminSubjects)
  (list "agent-groups" $auth.agentGroups)
  (list "reviewer-groups" $auth.reviewerGroups)
  (list "admin-groups" $auth.adminGroups)
) }}
{{- $accounts := list }}
{{- range ($gateway.tokenRequest).serviceAccounts }}
{{- $accounts = append $accounts (printf "%s/%s" .namespace .name) }}
{{- end }}
{{- $flags = append $flags (list "token-request-service-accounts" $accounts) }}
{{- if (.Values.gc).enabled }}
{{- $flags = concat $flags (list
  (list "gc-enabled" "true")
  (list "gc-dry-run" .Values.gc.dryRun)
  (list "gc-interval" .Values.gc.interval)
  (list "gc-hard-ttl" .Values.gc.hardTTL)
  (list "gc-delete-rate-per-sec" .Values.gc.deleteRatePerSec)
  (list "gc-page-size" (int .Values.gc.pageSize))
  (list "gc-safety-min-count" (int .Values.gc.safetyMinCount))
) }}
{{- end }}
{{- $args := list "gateway" "--addr=:8080" (printf "--lock-namespace=%s" .Release.Namespace) }}
{{- if include "aip-k8s.gateway.many" . }}
{{- $args = concat $args (list "--leader-elect" (printf "--leader-elect-namespace=%s" .Release.Namespace)) }}
{{- end }}
{{- if eq (toString $gateway.controller) "false" }}
{{- $args = append $args "--controller=false" }}
{{- end }}
{{- if $auth.requireGovernedResource }}
{{- $args = append $args "--require-governed-resource" }}
{{- end }}
{{- if ($gateway.tls).secretName }}
{{- $args = concat $args (list "--tls-cert-file=/etc/aip-gateway/tls/tls.crt" "--tls-key-file=/etc/aip-gateway/tls/tls.key") }}
{{- end }}
{{- range $flags }}
{{- $value := index . 1 }}
{{- if kindIs "slice" $value }}
{{- $value = join "," $value }}
{{- end }}
{{- if not (or (kindIs "invalid" $value) (eq (toString $value) "")) }}
{{- $args = append $args (printf "--%s=%s" (index . 0) (toString $value)) }}
{{- end }}
{{- end }}
{{- toYaml $args }}
{{- end }}

{{/* The Secrets that the gateway reads from files, as a list of their names in the pod and their own. */}}
{{- define "aip-k8s.gateway.secrets" -}}
{{- $secrets := list }}
{{- with (.Values.gateway.tls).secretName }}
{{- $secrets = append $secrets (dict "name" "tls" "secret" .) }}
{{- end }}
{{- $github := (.Values.gateway.contextFetchers).github }}
{{- if and ($github).apiURL ($github).tokenSecretName }}
{{- $secrets = append $secrets (dict "name" "github" "secret" $github.tokenSecretName) }}
{{- end }}
{{- toJson $secrets }}
{{- end }}
