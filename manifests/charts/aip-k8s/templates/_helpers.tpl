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

{{/* The gateway's command line as a YAML list. A flag is left out when its value is empty; a list is joined with
commas; the number 0 is a value. The token flags only mean something with an issuer. */}}
{{- define "aip-k8s.gateway.args" -}}
{{- $gateway := .Values.gateway }}
{{- $auth := $gateway.auth }}
{{- $flags := list
  (list "dedup-window" $gateway.dedupWindow)
  (list "wait-timeout" $gateway.waitTimeout)
  (list "default-action" $gateway.defaultAction)
}}
{{- if $auth.oidcIssuerURL }}
{{- $flags = concat $flags (list
  (list "oidc-issuer-url" $auth.oidcIssuerURL)
  (list "oidc-audience" $auth.oidcAudience)
  (list "oidc-identity-claim" $auth.oidcIdentityClaim)
  (list "oidc-groups-claim" $auth.oidcGroupsClaim)
) }}
{{- end }}
{{- $flags = concat $flags (list
  (list "agent-subjects" $auth.agentSubjects)
  (list "reviewer-subjects" $auth.reviewerSubjects)
  (list "admin-subjects" $auth.adminSubjects)
  (list "agent-groups" $auth.agentGroups)
  (list "reviewer-groups" $auth.reviewerGroups)
  (list "admin-groups" $auth.adminGroups)
) }}
{{- $args := list "gateway" "--addr=:8080" }}
{{- if gt (int $gateway.replicaCount) 1 }}
{{- $args = concat $args (list "--leader-elect" (printf "--leader-elect-namespace=%s" .Release.Namespace)) }}
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
