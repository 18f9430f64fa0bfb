#!/usr/bin/env bash
# Makes from dashboards/ what the Prometheus operator and Grafana's sidecar take: an object of kind
# PrometheusRule for each file of rules, and the kustomization that puts each dashboard into a ConfigMap.
# Run it after a change there; a test compares. `generate.sh FOLDER` writes below FOLDER instead.
set -euo pipefail
root=$(cd "$(dirname "$0")/../../.." && pwd)
to=${1:-$root}
rules=$to/deploy/k8s/monitoring/rules.yaml
kustomization=$to/dashboards/kustomization.yaml
mkdir -p "$(dirname "$rules")" "$(dirname "$kustomization")"

{
  echo "# Made by generate.sh from dashboards/rules/*.yaml: change those."
  for file in "$root"/dashboards/rules/*.yaml; do
    printf -- '---\napiVersion: monitoring.coreos.com/v1\nkind: PrometheusRule\nmetadata:\n'
    printf '  name: softmoe-%s\nspec:\n' "$(basename "$file" .yaml)"
    sed -e 's/^\(.\)/  \1/' "$file"
  done
} >"$rules"

{
  cat <<'TEXT'
# Made by deploy/k8s/monitoring/generate.sh. One ConfigMap for each dashboard, with the label that Grafana's
# sidecar looks for, in the folder softmoe. They are applied with --server-side: what a plain apply notes
# down beside an object has too little room for a dashboard.
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
generatorOptions:
  disableNameSuffixHash: true
  labels:
    grafana_dashboard: "1"
  annotations:
    grafana_folder: softmoe
configMapGenerator:
TEXT
  for file in "$root"/dashboards/*.json; do
    name=$(basename "$file" .json)
    printf '  - name: softmoe-dashboard-%s\n    files: [%s.json]\n' "${name//_/-}" "$name"
  done
} >"$kustomization"
