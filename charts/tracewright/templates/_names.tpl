{{- define "tracewright.name" -}}
{{- if contains .Chart.Name .Release.Name -}}{{ .Release.Name | trunc 50 | trimSuffix "-" }}{{- else -}}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 50 | trimSuffix "-" }}{{- end -}}
{{- end -}}

{{- define "tracewright.selector" -}}
app.kubernetes.io/name: tracewright
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "tracewright.receiver.selector" -}}
app.kubernetes.io/name: xray-receiver
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "tracewright.commonLabels" -}}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- define "tracewright.labels" -}}
{{ include "tracewright.selector" . }}
{{ include "tracewright.commonLabels" . }}
{{- end -}}

{{- define "tracewright.receiver.labels" -}}
{{ include "tracewright.receiver.selector" . }}
{{ include "tracewright.commonLabels" . }}
{{- end -}}

{{- define "tracewright.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}{{ .Values.serviceAccount.name | default (include "tracewright.name" .) }}{{- else -}}{{ required "serviceAccount.name is needed where serviceAccount.create is false" .Values.serviceAccount.name }}{{- end -}}
{{- end -}}

{{- /* host:port of the receiver of profiles that declare none, or nothing. */ -}}
{{- define "tracewright.defaultReceiver" -}}
{{- if .Values.defaultReceiver.run -}}{{ include "tracewright.name" . }}-receiver.{{ .Release.Namespace }}:2000{{- else -}}{{ .Values.defaultReceiver.address }}{{- end -}}
{{- end -}}

{{- /* The variables of the AWS SDKs out of the Secret that is the argument. */ -}}
{{- define "tracewright.credentials" -}}
{{- $secret := . -}}
{{- range $key := list "AWS_ACCESS_KEY_ID" "AWS_SECRET_ACCESS_KEY" "AWS_SESSION_TOKEN" }}
- name: {{ $key }}
  valueFrom: {secretKeyRef: {name: {{ $secret }}, key: {{ $key }}, optional: {{ eq $key "AWS_SESSION_TOKEN" }}}}
{{- end }}
{{- end -}}
