{{- define "hermetic.name" -}}
{{- default .Release.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{- define "hermetic.labels" -}}
app.kubernetes.io/name: hermetic
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- define "hermetic.selector" -}}
app.kubernetes.io/name: hermetic
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "hermetic.redisPlace" -}}
{{- $queue := .Values.queue -}}
{{- if and $queue.sentinels $queue.cluster -}}
{{- fail "queue.sentinels and queue.cluster both name a Redis: keep one of them" -}}
{{- else if $queue.sentinels -}}
sentinels
{{- else if $queue.cluster -}}
cluster
{{- else -}}
url
{{- end -}}
{{- end -}}

{{- define "hermetic.s3Port" -}}
{{- $endpoint := default "https://aws" .Values.content.s3.endpoint -}}
{{- $port := regexFind ":[0-9]+(/|$)" $endpoint | trimPrefix ":" | trimSuffix "/" -}}
{{- default (ternary "80" "443" (hasPrefix "http://" $endpoint)) $port -}}
{{- end -}}

{{- define "hermetic.redisSecret" -}}
{{- if .Values.queue.existingSecret -}}
{{ .Values.queue.existingSecret }}
{{- else -}}
{{- $_ := required "queue.existingSecret (or queue.redisUrl) must name where Redis is" .Values.queue.redisUrl -}}
{{ include "hermetic.name" . }}-redis
{{- end -}}
{{- end -}}
