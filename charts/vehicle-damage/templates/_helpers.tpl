{{/* Names, labels, images. Every definition takes a dict: root (the chart's context) and what it names. */}}

{{- define "vehicle-damage.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" }}
{{- end }}

{{/* At most 40 characters, so that <fullname>-<component> is a name everywhere, a CronJob's Jobs included. */}}
{{- define "vehicle-damage.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" }}
{{- else }}
{{- $name := default .Chart.Name .Values.nameOverride }}
{{- if contains $name .Release.Name }}
{{- .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" }}
{{- end }}
{{- end }}
{{- end }}

{{- define "vehicle-damage.selectorLabels" -}}
app.kubernetes.io/name: {{ include "vehicle-damage.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "vehicle-damage.labels" -}}
{{ include "vehicle-damage.selectorLabels" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
app.kubernetes.io/part-of: vehicle-damage
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Labels of a pod: none that changes with the chart's version, which would replace every pod for nothing. */}}
{{- define "vehicle-damage.podLabels" -}}
{{ include "vehicle-damage.selectorLabels" . }}
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* metadata of an object: root, component, and optionally name, labels, annotations (dicts). */}}
{{- define "vehicle-damage.metadata" -}}
name: {{ default (printf "%s-%s" (include "vehicle-damage.fullname" .root) .component) .name }}
namespace: {{ .root.Release.Namespace }}
labels:
  {{- include "vehicle-damage.labels" . | nindent 2 }}
  {{- with .labels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with merge (dict) (.annotations | default dict) .root.Values.commonAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* Name of a component's ServiceAccount: root, values (its serviceAccount), component. */}}
{{- define "vehicle-damage.serviceAccountName" -}}
{{- default (printf "%s-%s" (include "vehicle-damage.fullname" .root) .component) .values.name }}
{{- end }}

{{/* A ServiceAccount: root, values, component, and optionally annotations. */}}
{{- define "vehicle-damage.serviceAccount" -}}
{{- if .values.create }}
apiVersion: v1
kind: ServiceAccount
metadata:
  {{- $name := include "vehicle-damage.serviceAccountName" . }}
  {{- $annotations := merge (dict) (.annotations | default dict) .values.annotations }}
  {{- include "vehicle-damage.metadata" (dict "root" .root "component" .component "name" $name "annotations" $annotations) | nindent 2 }}
automountServiceAccountToken: false
{{- end }}
{{- end }}

{{/* An image by digest or by tag: root, image, repository (the default). */}}
{{- define "vehicle-damage.image" -}}
{{- $repository := default .repository .image.repository }}
{{- with .root.Values.image.registry }}{{ $repository = printf "%s/%s" (trimSuffix "/" .) $repository }}{{ end }}
{{- if .image.digest }}
{{- printf "%s@%s" $repository .image.digest }}
{{- else }}
{{- printf "%s:%s" $repository (coalesce .image.tag .root.Values.image.tag .root.Chart.AppVersion) }}
{{- end }}
{{- end }}

{{- define "vehicle-damage.workerImage" -}}
{{- $repository := printf "vehicle-damage/worker-%s" .Values.worker.flavour }}
{{- include "vehicle-damage.image" (dict "root" . "image" .Values.worker.image "repository" $repository) }}
{{- end }}

{{- define "vehicle-damage.workerName" -}}
{{- printf "%s-worker" (include "vehicle-damage.fullname" .) }}
{{- end }}

{{/* What the Job needs must stand before it, and the rest of the release does not stand yet. */}}
{{- define "vehicle-damage.beforeMigration" -}}
helm.sh/hook: pre-install,pre-upgrade
helm.sh/hook-weight: "-10"
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- end }}
