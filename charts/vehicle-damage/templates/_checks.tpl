{{/* What a schema cannot say because it depends on several values. Every message begins with the value's name. */}}
{{- define "vehicle-damage.check" -}}
{{- $v := .Values }}
{{- include "vehicle-damage.checkGrace" . }}
{{- if and (not $v.queue.url) (not $v.emulator.enabled) }}
{{- fail "queue.url: needed, the URL of the SQS queue to consume, unless emulator.enabled" }}
{{- end }}
{{- if and $v.queue.url $v.emulator.enabled }}
{{- fail "queue.url: expected empty with emulator.enabled, which makes its own queue" }}
{{- end }}
{{- if and $v.aws.endpointUrl $v.emulator.enabled }}
{{- fail "aws.endpointUrl: expected empty with emulator.enabled, which is the endpoint" }}
{{- end }}
{{- if not $v.photoBuckets }}
{{- fail "photoBuckets: needed, at least one bucket that photos may be fetched from" }}
{{- end }}
{{- if not $v.results.bucket }}
{{- fail "results.bucket: needed, the bucket that results are written to" }}
{{- end }}
{{- if and (eq $v.ledger.mode "postgresql") (not $v.ledger.existingSecret) }}
{{- fail "ledger.existingSecret: needed, a Secret with the ledger's URL, unless ledger.mode is ephemeral" }}
{{- end }}
{{- if and (eq $v.ledger.mode "ephemeral") $v.review.enabled }}
{{- fail "review.enabled: the pages read the ledger of every worker, and ledger.mode ephemeral keeps one in each" }}
{{- end }}
{{- if and (eq $v.worker.flavour "gpu") (not $v.models.store) }}
{{- fail "models.store: needed by worker.flavour gpu, since the set in the image is OpenVINO's" }}
{{- end }}
{{- $s := $v.worker.scaling }}
{{- if ne $s.mode "fixed" }}
{{- if gt ($s.minReplicas | int) ($s.maxReplicas | int) }}
{{- fail (printf "worker.scaling.minReplicas: expected at most worker.scaling.maxReplicas (%v), found %v" $s.maxReplicas $s.minReplicas) }}
{{- end }}
{{- end }}
{{- if and (eq $s.mode "hpa") (lt ($s.minReplicas | int) 1) }}
{{- fail "worker.scaling.minReplicas: expected at least 1 in mode hpa, which cannot scale from zero" }}
{{- end }}
{{- if eq $s.mode "keda" }}
{{- if gt ($s.keda.fallback.replicas | int) ($s.maxReplicas | int) }}
{{- fail (printf "worker.scaling.keda.fallback.replicas: expected at most worker.scaling.maxReplicas (%v), found %v" $s.maxReplicas $s.keda.fallback.replicas) }}
{{- end }}
{{- $a := $s.keda.authentication }}
{{- if and $a.roleArn (eq $a.identityOwner "workload") }}
{{- fail "worker.scaling.keda.authentication.roleArn: expected empty with identityOwner workload" }}
{{- end }}
{{- if and (eq $a.provider "secret") (not $v.aws.credentialsSecret) (not $v.emulator.enabled) }}
{{- fail "aws.credentialsSecret: needed by worker.scaling.keda.authentication.provider secret" }}
{{- end }}
{{- if and (eq $a.provider "aws") $v.emulator.enabled }}
{{- fail "worker.scaling.keda.authentication.provider: expected secret with emulator.enabled, found aws" }}
{{- end }}
{{- end }}
{{- if and (has (toString $v.worker.strategy.maxSurge) (list "0" "0%")) (has (toString $v.worker.strategy.maxUnavailable) (list "0" "0%")) }}
{{- fail "worker.strategy.maxUnavailable: expected more than 0 where worker.strategy.maxSurge is 0, or no pod could ever be replaced" }}
{{- end }}
{{- if $v.refresh.enabled }}
{{- if not (hasPrefix "s3://" $v.models.store) }}
{{- fail (printf "models.store: expected s3://bucket/prefix with refresh.enabled, found %q" $v.models.store) }}
{{- end }}
{{- if not $v.refresh.prometheusUrl }}
{{- fail "refresh.prometheusUrl: needed, the Prometheus that compares candidate and incumbent" }}
{{- end }}
{{- if $v.worker.modelSet }}
{{- fail "worker.modelSet: expected empty with refresh.enabled, since the rollout owns the pin" }}
{{- end }}
{{- end }}
{{- if and $v.refresh.enabled ($v.worker.settings.model_refresh_s | default 0) }}
{{- fail "worker.settings.model_refresh_s: expected unset or 0 with refresh.enabled, or every worker would take a candidate by itself" }}
{{- end }}
{{- if $v.review.ingress.enabled }}
{{- if not $v.review.enabled }}
{{- fail "review.ingress.enabled: needs review.enabled" }}
{{- end }}
{{- if not $v.review.ingress.host }}
{{- fail "review.ingress.host: needed by review.ingress.enabled" }}
{{- end }}
{{- end }}
{{- end }}
