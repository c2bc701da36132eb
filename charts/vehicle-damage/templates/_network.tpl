{{/* Egress rules, each a list of rules for a NetworkPolicy. */}}

{{/* Networks; everywhere never means the node's own addresses, where credentials of the node are given away. */}}
{{- define "vehicle-damage.ipBlocks" -}}
{{- range $i, $cidr := . }}
{{- if $i }}{{ print "\n" }}{{ end -}}
- ipBlock:
    cidr: {{ $cidr }}
    {{- if eq $cidr "0.0.0.0/0" }}
    except:
      - 169.254.0.0/16
    {{- end }}
{{- end }}
{{- end }}

{{- define "vehicle-damage.egressDns" -}}
- to:
    - namespaceSelector:
        matchLabels:
          {{- toYaml .Values.networkPolicy.dnsNamespaceLabels | nindent 10 }}
  ports:
    - port: 53
      protocol: UDP
    - port: 53
      protocol: TCP
{{- with .Values.networkPolicy.extraEgress }}
{{- range . }}
- to:
    - ipBlock:
        cidr: {{ .cidr }}
  ports:
    - port: {{ .port }}
      protocol: {{ .protocol | default "TCP" }}
{{- end }}
{{- end }}
{{- end }}

{{/* AWS: HTTPS, without the node's own metadata address; credentials from the node's agent; or the emulator. */}}
{{- define "vehicle-damage.egressAws" -}}
{{- if .Values.emulator.enabled }}
- to:
    - podSelector:
        matchLabels:
          {{- include "vehicle-damage.selectorLabels" (dict "root" . "component" "emulator") | nindent 10 }}
  ports:
    - port: 4566
      protocol: TCP
{{- else }}
- to:
    {{- include "vehicle-damage.ipBlocks" .Values.networkPolicy.httpsCidrs | nindent 4 }}
  ports:
    - port: 443
      protocol: TCP
{{- if .Values.networkPolicy.podIdentityAgent }}
- to:
    - ipBlock:
        cidr: 169.254.170.23/32
  ports:
    - port: 80
      protocol: TCP
{{- end }}
{{- end }}
{{- end }}

{{- define "vehicle-damage.egressLedger" -}}
{{- if and (eq .Values.ledger.mode "postgresql") .Values.ledger.cidrs }}
- to:
    {{- include "vehicle-damage.ipBlocks" .Values.ledger.cidrs | nindent 4 }}
  ports:
    - port: {{ .Values.ledger.port }}
      protocol: TCP
{{- end }}
{{- end }}

{{/* Head of a component's NetworkPolicy: root, component, and optionally annotations. */}}
{{- define "vehicle-damage.networkPolicy" -}}
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  {{- include "vehicle-damage.metadata" . | nindent 2 }}
spec:
  podSelector:
    matchLabels:
      {{- include "vehicle-damage.selectorLabels" . | nindent 6 }}
  policyTypes:
    - Ingress
    - Egress
{{- end }}
