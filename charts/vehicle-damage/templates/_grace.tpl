{{/*
How long a worker may take to end, all from worker.longestBatchSeconds (L):

  preStop  = 5                      still working: scraped once more, and out of the endpoints before it stops
  shutdown = max(ceil(L / 0.8), 10) VEHICLE_DAMAGE_SHUTDOWN_GRACE_S. The worker gives its networks four fifths of it, so
                                    that a batch that began at SIGTERM ends; the rest stores results and settles.
  pod      = preStop + shutdown + 10 terminationGracePeriodSeconds. Ten seconds to give the rest back to the queue, to end
                                    the last renewal and the process.

and two rules that a user can break, each refused here with the value's name:

  shutdown >= receive_wait_s + 5    a long poll that began at SIGTERM must end first (the service's own rule)
  visibility_timeout_s >= pod       a message stays hidden until the pod is gone, even if no renewal succeeds
*/}}
{{- define "vehicle-damage.preStopSeconds" -}}5{{- end }}

{{- define "vehicle-damage.shutdownSeconds" -}}
{{- $longest := .Values.worker.longestBatchSeconds | int }}
{{- max (divf $longest 0.8 | ceil | int) 10 }}
{{- end }}

{{- define "vehicle-damage.podGraceSeconds" -}}
{{- add (include "vehicle-damage.preStopSeconds" . | int) (include "vehicle-damage.shutdownSeconds" . | int) 10 }}
{{- end }}

{{- define "vehicle-damage.checkGrace" -}}
{{- $shutdown := include "vehicle-damage.shutdownSeconds" . | int }}
{{- $pod := include "vehicle-damage.podGraceSeconds" . | int }}
{{- $settings := .Values.worker.settings }}
{{- range list "receive_wait_s" "visibility_timeout_s" "renewal_interval_s" }}
{{- if not (hasKey $settings .) }}{{ fail (printf "worker.settings.%s: needed, since the pod's grace is checked against it" .) }}{{ end }}
{{- end }}
{{- if lt $shutdown (add $settings.receive_wait_s 5 | int) }}
{{- fail (printf "worker.settings.receive_wait_s: expected at most %d, which is what worker.longestBatchSeconds %v leaves of the drain, found %v" (sub $shutdown 5) .Values.worker.longestBatchSeconds $settings.receive_wait_s) }}
{{- end }}
{{- if lt ($settings.visibility_timeout_s | int) $pod }}
{{- fail (printf "worker.settings.visibility_timeout_s: expected at least the pod's grace of %d seconds, which follows from worker.longestBatchSeconds %v, found %v" $pod .Values.worker.longestBatchSeconds $settings.visibility_timeout_s) }}
{{- end }}
{{- if gt (mulf $settings.renewal_interval_s 2) (float64 $settings.visibility_timeout_s) }}
{{- fail (printf "worker.settings.renewal_interval_s: expected at most half of worker.settings.visibility_timeout_s (%v), found %v" $settings.visibility_timeout_s $settings.renewal_interval_s) }}
{{- end }}
{{- end }}
