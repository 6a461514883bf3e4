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

{{- define "hermetic.redisSecret" -}}
{{- if .Values.queue.existingSecret -}}
{{ .Values.queue.existingSecret }}
{{- else -}}
{{- $_ := required "queue.existingSecret (or queue.redisUrl) must name where Redis is" .Values.queue.redisUrl -}}
{{ include "hermetic.name" . }}-redis
{{- end -}}
{{- end -}}
