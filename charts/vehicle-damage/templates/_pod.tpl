{{/* What every pod of the chart has in common. */}}

{{/* Pod-level fields: root, serviceAccountName. No Service's address becomes a variable: those of a release called
     vehicle-damage would begin with VEHICLE_DAMAGE_, which the service refuses to start with. */}}
{{- define "vehicle-damage.pod" -}}
serviceAccountName: {{ .serviceAccountName }}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with .root.Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  seccompProfile:
    type: RuntimeDefault
{{- end }}

{{/* Where pods run that are neither workers nor pages. */}}
{{- define "vehicle-damage.taskPlacement" -}}
{{- with .Values.tasks.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tasks.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "vehicle-damage.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop:
    - ALL
{{- end }}

{{/* One variable of the service: name (a field of its settings), value. Whole numbers are never written as 2.5e+07. */}}
{{- define "vehicle-damage.setting" -}}
{{- $value := .value }}
{{- if kindIs "float64" $value }}{{ if eq $value (floor $value) }}{{ $value = int64 $value }}{{ end }}{{ end }}
- name: VEHICLE_DAMAGE_{{ upper .name }}
  value: {{ $value | toString | quote }}
{{- end }}

{{/* Where queue and buckets are, and who asks. */}}
{{- define "vehicle-damage.awsEnv" -}}
- name: AWS_REGION
  value: {{ .Values.aws.region | quote }}
- name: AWS_DEFAULT_REGION
  value: {{ .Values.aws.region | quote }}
{{- if or .Values.aws.endpointUrl .Values.emulator.enabled }}
- name: AWS_ENDPOINT_URL
  value: {{ default (include "vehicle-damage.emulatorUrl" .) .Values.aws.endpointUrl | quote }}
{{- end }}
{{- $secret := include "vehicle-damage.credentialsSecret" . }}
{{- if $secret }}
{{- range list "AWS_ACCESS_KEY_ID" "AWS_SECRET_ACCESS_KEY" }}
- name: {{ . }}
  valueFrom:
    secretKeyRef:
      name: {{ $secret }}
      key: {{ . }}
{{- end }}
{{- end }}
{{- end }}

{{- define "vehicle-damage.credentialsSecret" -}}
{{- if .Values.aws.credentialsSecret }}
{{- .Values.aws.credentialsSecret }}
{{- else if .Values.emulator.enabled }}
{{- printf "%s-emulator" (include "vehicle-damage.fullname" .) }}
{{- end }}
{{- end }}

{{- define "vehicle-damage.emulatorUrl" -}}
{{- printf "http://%s-emulator.%s.svc:4566" (include "vehicle-damage.fullname" .) .Release.Namespace }}
{{- end }}

{{- define "vehicle-damage.queueUrl" -}}
{{- if .Values.emulator.enabled }}
{{- printf "%s/000000000000/%s" (include "vehicle-damage.emulatorUrl" .) .Values.emulator.queueName }}
{{- else }}
{{- .Values.queue.url }}
{{- end }}
{{- end }}

{{/* The ledger: only ever from a Secret. */}}
{{- define "vehicle-damage.ledgerEnv" -}}
- name: VEHICLE_DAMAGE_LEDGER_URL
  {{- if eq .Values.ledger.mode "postgresql" }}
  valueFrom:
    secretKeyRef:
      name: {{ .Values.ledger.existingSecret }}
      key: {{ .Values.ledger.key }}
  {{- else }}
  value: sqlite:////tmp/ledger.sqlite3
  {{- end }}
{{- end }}

{{/* What the worker and the test of its release are told. */}}
{{- define "vehicle-damage.workerEnv" -}}
{{- $settings := dict
  "queue_url" (include "vehicle-damage.queueUrl" .)
  "photo_buckets" (join "," .Values.photoBuckets)
  "results_bucket" .Values.results.bucket
  "results_prefix" .Values.results.prefix
  "runtime" (ternary "torch" "openvino" (eq .Values.worker.flavour "gpu"))
  "device" (ternary "cuda" "cpu" (eq .Values.worker.flavour "gpu"))
  "shutdown_grace_s" (include "vehicle-damage.shutdownSeconds" .)
  "http_host" "0.0.0.0"
  "http_port" "9090"
  "model_set" (include "vehicle-damage.modelSet" .) }}
{{- with .Values.models.store }}{{ $_ := set $settings "model_store" . }}{{ end }}
{{- /* Else every worker would swap to a candidate by itself, before anybody has watched it. */}}
{{- if .Values.refresh.enabled }}{{ $_ := set $settings "model_refresh_s" "0" }}{{ end }}
{{- $settings = merge $settings .Values.worker.settings }}
{{- range $name := keys $settings | sortAlpha }}
{{- include "vehicle-damage.setting" (dict "name" $name "value" (get $settings $name)) }}
{{- end }}
{{ include "vehicle-damage.ledgerEnv" . }}
{{ include "vehicle-damage.awsEnv" . }}
{{- with .Values.worker.extraEnv }}
{{ include "vehicle-damage.extraEnv" . }}
{{- end }}
{{- end }}

{{/* A list of name and value, or name and secretKeyRef. */}}
{{- define "vehicle-damage.extraEnv" -}}
{{- range $i, $variable := . }}
{{- if $i }}{{ print "\n" }}{{ end -}}
- name: {{ $variable.name }}
  {{- if hasKey $variable "secretKeyRef" }}
  valueFrom:
    secretKeyRef:
      {{- toYaml $variable.secretKeyRef | nindent 6 }}
  {{- else }}
  value: {{ $variable.value | quote }}
  {{- end }}
{{- end }}
{{- end }}

{{/*
Where refresh is enabled, the pin and the pace of replacement belong to the rollout from the first install on: an upgrade
keeps what it finds, so that one in the middle of a canary neither drops the pin nor lets the candidate through to every
pod. `helm template` and Argo CD look nothing up; there, ignored differences do the same.
*/}}
{{- define "vehicle-damage.liveWorker" -}}
{{- $live := dict }}
{{- if .Values.refresh.enabled }}
{{- $live = lookup "apps/v1" "Deployment" .Release.Namespace (include "vehicle-damage.workerName" .) | default dict }}
{{- end }}
{{- toJson $live }}
{{- end }}

{{- define "vehicle-damage.modelSet" -}}
{{- $live := include "vehicle-damage.liveWorker" . | fromJson }}
{{- $pin := .Values.worker.modelSet }}
{{- if $live.spec }}
{{- range (first $live.spec.template.spec.containers).env }}
{{- if eq .name "VEHICLE_DAMAGE_MODEL_SET" }}{{ $pin = .value | default "" }}{{ end }}
{{- end }}
{{- end }}
{{- $pin }}
{{- end }}
