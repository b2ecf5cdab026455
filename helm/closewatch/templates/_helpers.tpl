{{- define "closewatch.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "closewatch.namespace" -}}
{{- default .Release.Namespace .Values.namespaceOverride -}}
{{- end -}}

{{- define "closewatch.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- $name := include "closewatch.name" . -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- /* A ClusterRole has no namespace: two releases of one name in two namespaces must not share it. */ -}}
{{- define "closewatch.clusterName" -}}
{{- $full := include "closewatch.fullname" . -}}
{{- if eq $full (include "closewatch.namespace" .) -}}
{{- $full -}}
{{- else -}}
{{- printf "%s-%s" (include "closewatch.namespace" .) $full | trunc 253 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- /* The roles for users of `kubectl closewait`. */ -}}
{{- define "closewatch.pluginName" -}}
{{- printf "%s-kubectl" (include "closewatch.clusterName" . | trunc 245 | trimSuffix "-") -}}
{{- end -}}

{{- /* The ClusterRole for scrapers. */ -}}
{{- define "closewatch.scraperRole" -}}
{{- printf "%s-scraper" (include "closewatch.clusterName" . | trunc 245 | trimSuffix "-") -}}
{{- end -}}

{{- /* The service account whose token monitors show, and that token's Secret. */ -}}
{{- define "closewatch.scraperName" -}}
{{- printf "%s-scraper" (include "closewatch.fullname" . | trunc 55 | trimSuffix "-") -}}
{{- end -}}

{{- /* The namespace of the monitor that shows such a token, where an operator reads Secrets; or nothing. */ -}}
{{- define "closewatch.scraperNamespace" -}}
{{- $other := or .Values.web.scrape.authorization .Values.web.scrape.basicAuth -}}
{{- if and .Values.web.kubernetesAuth .Values.rbac.create (not $other) -}}
{{- range $way := list "podMonitor" "serviceMonitor" -}}
{{- with get $.Values $way -}}
{{- if .enabled -}}{{- default (include "closewatch.namespace" $) .namespace -}}{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "closewatch.selectorLabels" -}}
app.kubernetes.io/name: {{ include "closewatch.name" . }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end -}}

{{- define "closewatch.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{ include "closewatch.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/component: agent
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "closewatch.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "closewatch.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "closewatch.image" -}}
{{- $image := .Values.image -}}
{{- /* The grammar of references: the first part is a registry when it has a dot or a colon, or is "localhost". */ -}}
{{- $own := regexFind "^(localhost|[^/]*[.:][^/]*)/" $image.repository -}}
{{- with coalesce .Values.global.imageRegistry $image.registry $own -}}{{ . | trimSuffix "/" }}/{{- end -}}
{{- trimPrefix $own $image.repository -}}
{{- if or $image.tag (not $image.digest) -}}:{{ default .Chart.AppVersion $image.tag }}{{- end -}}
{{- with $image.digest -}}@{{ . }}{{- end -}}
{{- end -}}

{{- /* An affinity by which pods come only to nodes that the image can run on, with each of its ways to let a node in: call with
(list . AFFINITY). */ -}}
{{- define "closewatch.affinity" -}}
{{- $root := index . 0 -}}
{{- $affinity := deepCopy (default dict (index . 1)) -}}
{{- with $root.Values.image.architectures -}}
{{- $mine := dict "key" "kubernetes.io/arch" "operator" "In" "values" . -}}
{{- $node := default dict $affinity.nodeAffinity -}}
{{- $required := default dict $node.requiredDuringSchedulingIgnoredDuringExecution -}}
{{- $terms := list -}}
{{- range $term := default (list dict) $required.nodeSelectorTerms -}}
{{- $terms = append $terms (set $term "matchExpressions" (append (default list $term.matchExpressions) $mine)) -}}
{{- end -}}
{{- $required = set $required "nodeSelectorTerms" $terms -}}
{{- $node = set $node "requiredDuringSchedulingIgnoredDuringExecution" $required -}}
{{- $affinity = set $affinity "nodeAffinity" $node -}}
{{- end -}}
{{- with $affinity -}}{{- toYaml . -}}{{- end -}}
{{- end -}}

{{- define "closewatch.imagePullSecrets" -}}
{{- range concat .Values.imagePullSecrets .Values.global.imagePullSecrets }}
- name: {{ kindIs "map" . | ternary (get (kindIs "map" . | ternary . dict) "name") . }}
{{- end }}
{{- end -}}

{{- /* "true" or nothing. */ -}}
{{- define "closewatch.asksApiServer" -}}
{{- if ne .Values.metadata.source "logs" -}}true{{- end -}}
{{- end -}}

{{- /* Whether not everybody is let in: "true" or nothing. */ -}}
{{- define "closewatch.isGuarded" -}}
{{- if or .Values.web.configSecret .Values.web.kubernetesAuth -}}true{{- end -}}
{{- end -}}

{{- /* Probes have neither a certificate nor a password nor a token. */ -}}
{{- define "closewatch.probePort" -}}
{{- include "closewatch.isGuarded" . | empty | ternary "metrics" "health" -}}
{{- end -}}

{{- define "closewatch.scheme" -}}
{{- and (not (empty .Values.web.configSecret)) .Values.web.tls | ternary "https" "http" -}}
{{- end -}}

{{- define "closewatch.servicePort" -}}
{{- default .Values.port .Values.service.port | int -}}
{{- end -}}

{{- define "closewatch.metricsPath" -}}
{{- dig "web" "telemetry-path" "/metrics" (default dict .Values.config) -}}
{{- end -}}

{{- /* "field", "annotation" or nothing. */ -}}
{{- define "closewatch.appArmorBy" -}}
{{- if .Values.appArmor.type -}}
{{- if ne .Values.appArmor.by "auto" -}}
{{- .Values.appArmor.by -}}
{{- else -}}
{{- semverCompare ">=1.30.0-0" .Capabilities.KubeVersion.Version | ternary "field" "annotation" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "closewatch.appArmorAnnotation" -}}
{{- $names := dict "Unconfined" "unconfined" "RuntimeDefault" "runtime/default" "Localhost" (printf "localhost/%s" .Values.appArmor.localhostProfile) -}}
{{- get $names .Values.appArmor.type -}}
{{- end -}}

{{- define "closewatch.podAnnotations" -}}
checksum/config: {{ toYaml (default dict .Values.config) | sha256sum }}
{{- if eq (include "closewatch.appArmorBy" .) "annotation" }}
container.apparmor.security.beta.kubernetes.io/closewatch: {{ include "closewatch.appArmorAnnotation" . }}
{{- end }}
{{- if .Values.scrapeAnnotations.enabled }}
prometheus.io/scrape: "true"
prometheus.io/port: {{ .Values.port | int | quote }}
prometheus.io/path: {{ include "closewatch.metricsPath" . | quote }}
{{- if eq (include "closewatch.scheme" .) "https" }}
prometheus.io/scheme: https
{{- end }}
{{- end }}
{{- with .Values.podAnnotations }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- /* What the agent needs to read sockets its way; see engines/capabilities.cc. With auto SYS_ADMIN stands in for BPF and PERFMON. As a
list in JSON. */ -}}
{{- define "closewatch.engineCapabilities" -}}
{{- $inetDiag := list "SYS_ADMIN" "SYS_PTRACE" -}}
{{- $byEngine := dict "inet_diag" $inetDiag "bpf" (list "BPF" "PERFMON" "SYS_PTRACE") "procfs" list "auto" $inetDiag -}}
{{- get $byEngine (dig "scan" "engine" "auto" (default dict .Values.config)) | toJson -}}
{{- end -}}

{{- define "closewatch.containerSecurityContext" -}}
{{- $context := deepCopy (default dict .Values.containerSecurityContext) -}}
{{- $capabilities := default dict $context.capabilities -}}
{{- if not (hasKey $capabilities "add") -}}
{{- with include "closewatch.engineCapabilities" . | fromJsonArray -}}
{{- $_ := set $context "capabilities" (merge (dict "add" .) $capabilities) -}}
{{- end -}}
{{- end -}}
{{- if eq (include "closewatch.appArmorBy" .) "field" -}}
{{- $profile := dict "type" .Values.appArmor.type -}}
{{- if eq .Values.appArmor.type "Localhost" -}}
{{- $_ := set $profile "localhostProfile" .Values.appArmor.localhostProfile -}}
{{- end -}}
{{- $_ := set $context "appArmorProfile" $profile -}}
{{- end -}}
{{- toYaml $context -}}
{{- end -}}

{{- /* A probe's numbers: call with the probe's values. */ -}}
{{- define "closewatch.probeTimes" -}}
periodSeconds: {{ .periodSeconds | int }}
timeoutSeconds: {{ .timeoutSeconds | int }}
failureThreshold: {{ .failureThreshold | int }}
{{- with .initialDelaySeconds }}
initialDelaySeconds: {{ . | int }}
{{- end }}
{{- with .successThreshold }}
successThreshold: {{ . | int }}
{{- end }}
{{- end -}}

{{- /* What PodMonitor and ServiceMonitor share of their spec: call with (list . MONITOR_VALUES). */ -}}
{{- define "closewatch.monitorSpec" -}}
{{- $root := index . 0 -}}
{{- $monitor := index . 1 -}}
jobLabel: {{ default "app.kubernetes.io/name" $monitor.jobLabel }}
namespaceSelector:
  matchNames: [{{ include "closewatch.namespace" $root | quote }}]
selector:
  matchLabels:
    {{- include "closewatch.selectorLabels" $root | nindent 4 }}
{{- with $monitor.podTargetLabels }}
podTargetLabels:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- if $monitor.attachMetadata.node }}
attachMetadata:
  node: true
{{- end }}
{{- range $limit := list "sampleLimit" "targetLimit" "labelLimit" "labelNameLengthLimit" "labelValueLengthLimit" "keepDroppedTargets" }}
{{- with get $monitor $limit }}
{{ $limit }}: {{ . | int }}
{{- end }}
{{- end }}
{{- with $monitor.bodySizeLimit }}
bodySizeLimit: {{ . }}
{{- end }}
{{- with $monitor.scrapeProtocols }}
scrapeProtocols:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "closewatch.monitorApiVersion" -}}
{{- default "monitoring.coreos.com/v1" .apiVersion -}}
{{- end -}}

{{- /* The endpoint of a PodMonitor or ServiceMonitor: call with (list . MONITOR_VALUES). */ -}}
{{- define "closewatch.endpoint" -}}
{{- $root := index . 0 -}}
{{- $monitor := index . 1 -}}
port: metrics
path: {{ include "closewatch.metricsPath" $root | quote }}
# The namespace, pod and container of a series are the victim's, not the agent's.
honorLabels: true
{{- with $monitor.interval }}
interval: {{ . }}
{{- end }}
{{- with $monitor.scrapeTimeout }}
scrapeTimeout: {{ . }}
{{- end }}
{{- if eq (include "closewatch.scheme" $root) "https" }}
scheme: https
{{- end }}
{{- with $root.Values.web.scrape }}
{{ toYaml . }}
{{- end }}
{{- if include "closewatch.scraperNamespace" $root }}
authorization:
  credentials:
    name: {{ include "closewatch.scraperName" $root }}
    key: token
{{- end }}
{{- with $monitor.extraEndpointFields }}
{{ toYaml . }}
{{- end }}
relabelings:
  - action: replace
    sourceLabels: [__meta_kubernetes_pod_node_name]
    targetLabel: node
  # A series without one of these labels would get the agent's, and look as if the victim's container were "closewatch".
  - action: labeldrop
    regex: container|service|endpoint
  {{- with $monitor.relabelings }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
metricRelabelings:
  # The agent's pod and namespace belong on what the agent says of itself, and not on what it says of the node.
  - action: replace
    sourceLabels: [__name__]
    regex: closewatch_node_sockets
    targetLabel: pod
    replacement: ""
  - action: replace
    sourceLabels: [__name__]
    regex: closewatch_node_sockets
    targetLabel: namespace
    replacement: ""
  {{- with $monitor.metricRelabelings }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}

{{- define "closewatch.check" -}}
{{- $ways := list -}}
{{- range $way := list "podMonitor" "serviceMonitor" "scrapeAnnotations" -}}
{{- if (get $.Values $way).enabled -}}{{- $ways = append $ways (printf "%s.enabled" $way) -}}{{- end -}}
{{- end -}}
{{- if gt (len $ways) 1 -}}
{{- fail (printf "%s are all true: every series would be scraped more than once. Choose one." (join " and " $ways)) -}}
{{- end -}}
{{- if and .Values.serviceMonitor.enabled (not .Values.service.enabled) -}}
{{- fail "serviceMonitor.enabled needs service.enabled: a ServiceMonitor finds pods through their Service. Or choose podMonitor.enabled." -}}
{{- end -}}
{{- range $way := list "podMonitor" "serviceMonitor" -}}
{{- with get $.Values $way -}}
{{- if and .enabled .jobLabel $.Values.prometheusRule.enabled (not $.Values.prometheusRule.settings.agent.selector) -}}
{{- fail (printf "%s.jobLabel gives the agents' `up` another job: say which in prometheusRule.settings.agent.selector, or ClosewatchAgentDown never fires." $way) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if and .Values.service.internalTrafficPolicy (semverCompare "<1.22.0-0" .Capabilities.KubeVersion.Version) -}}
{{- fail (printf "service.internalTrafficPolicy needs Kubernetes 1.22; this one is %s." .Capabilities.KubeVersion.Version) -}}
{{- end -}}
{{- if and (include "closewatch.isGuarded" .) (eq (int .Values.port) (int .Values.healthPort)) -}}
{{- fail "port and healthPort are the same: probes need a port of their own with web.configSecret or web.kubernetesAuth." -}}
{{- end -}}
{{- if and .Values.web.scrape (not (include "closewatch.isGuarded" .)) -}}
{{- fail "web.scrape says how Prometheus gets in, but without web.configSecret or web.kubernetesAuth everybody does: set one of them, too." -}}
{{- end -}}
{{- if and .Values.web.kubernetesAuth (not (include "closewatch.asksApiServer" .)) -}}
{{- fail "web.kubernetesAuth asks the API server, which metadata.source logs never does: set metadata.source to auto or api." -}}
{{- end -}}
{{- $monitored := or .Values.podMonitor.enabled .Values.serviceMonitor.enabled -}}
{{- if and .Values.web.kubernetesAuth $monitored (not .Values.rbac.create) (not (or .Values.web.scrape.authorization .Values.web.scrape.basicAuth)) -}}
{{- fail "web.kubernetesAuth without rbac.create makes no token for the monitor: say in web.scrape.authorization by which one Prometheus gets in." -}}
{{- end -}}
{{- if and .Values.hostNetwork .Values.networkPolicy.enabled -}}
{{- fail "networkPolicy.enabled does nothing for pods with hostNetwork: leave one of them off." -}}
{{- end -}}
{{- if and (eq .Values.appArmor.type "Localhost") (not .Values.appArmor.localhostProfile) -}}
{{- fail "appArmor.type Localhost needs appArmor.localhostProfile: the name of the profile on the nodes." -}}
{{- end -}}
{{- end -}}
