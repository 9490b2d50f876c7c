{{- define "activities.name" -}}
{{- if gt (len .Release.Name) 45 -}}
{{- fail "the release's name may have 45 characters, because the profile is named after it and the receiver after the profile" -}}
{{- end -}}
{{ .Release.Name }}
{{- end -}}

{{- define "activities.selector" -}}
app.kubernetes.io/name: activities
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "activities.labels" -}}
{{ include "activities.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- define "activities.serviceAccount" -}}
{{- .Values.serviceAccount.name | default (ternary (include "activities.name" .) "default" .Values.serviceAccount.create) -}}
{{- end -}}
