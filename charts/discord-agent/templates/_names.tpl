{{- define "discord-agent.fullname" -}}
{{- $own := .Values.nameOverride | default "discord-agent" -}}
{{- $both := contains $own .Release.Name | ternary .Release.Name (printf "%s-%s" .Release.Name $own) -}}
{{- .Values.fullnameOverride | default $both | trunc 43 | trimSuffix "-" -}}
{{- end -}}

{{- define "discord-agent.image" -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" .Values.image.repository (.Values.image.tag | default .Chart.AppVersion) -}}
{{- end -}}
{{- end -}}

{{- define "discord-agent.strings" -}}
{{- $strings := dict -}}
{{- range $key, $value := . -}}
{{- $_ := set $strings $key (kindIs "string" $value | ternary $value (toJson $value)) -}}
{{- end -}}
{{- toJson $strings -}}
{{- end -}}

{{- define "discord-agent.migration-env" -}}
{{- $env := list -}}
{{- range .Values.extraEnv -}}
{{- if not (and $.Values.migrate.existingSecret (eq (toString .name) "POSTGRESQL_URL")) -}}
{{- $env = append $env . -}}
{{- end -}}
{{- end -}}
{{- toJson $env -}}
{{- end -}}
