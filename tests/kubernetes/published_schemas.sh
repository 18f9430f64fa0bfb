#!/usr/bin/env bash
# published_schemas.sh SOURCES FOLDER: checks every rendered object of a built-in kind by the package
# kubernetes-validate, installed into FOLDER. 77, with the reason, where that cannot be.
set -euo pipefail
sources=$1
folder=$2/published_schemas
version=1.34.1
skip() {
  echo "skipped: $1"
  exit 77
}
missing() { # in CI what is missing is an error
  echo "missing: $1"
  [ "${CI:-}" = true ] && exit 1
  exit 77
}

command -v kubectl >/dev/null || missing "kubectl 1.27 or newer"
python3 -c 'import venv, ensurepip' 2>/dev/null || missing "python3-venv: apt-get install python3-venv"
if [ ! -x "$folder/bin/kubernetes-validate" ]; then
  rm -rf "$folder"
  python3 -m venv "$folder"
  timeout 120 "$folder/bin/pip" install --quiet "kubernetes-validate==$version" >"$folder/pip.log" 2>&1 ||
    { tail -n 3 "$folder/pip.log"; rm -rf "$folder"; skip "kubernetes-validate $version cannot be fetched from PyPI"; }
fi

# Kinds of operators are unknown to it: tests/kubernetes/fields has them.
status=0
for place in overlays/cpu overlays/gpu overlays/kueue setup/base setup/kind; do
  kubectl kustomize "$sources/deploy/k8s/$place" -o "$folder/rendered.yaml"
  if [ "$place" = setup/base ]; then
    { echo "---"; cat "$sources/deploy/k8s/setup/files.yaml"; } >>"$folder/rendered.yaml"
  fi
  "$folder/bin/python" - "$folder" <<'PYTHON'
import sys

import yaml

folder = sys.argv[1]
own = {"kubeflow.org", "monitoring.coreos.com"}
with open(f"{folder}/rendered.yaml", encoding="utf-8") as file:
    rendered = list(yaml.safe_load_all(file))
objects = [o for o in rendered if o["apiVersion"].split("/")[0] not in own]
# The pods of an MPIJob are plain ones.
for job in (o for o in rendered if o["kind"] == "MPIJob"):
    for role, replica in job["spec"]["mpiReplicaSpecs"].items():
        pod = {"apiVersion": "v1", "kind": "Pod", **replica["template"]}
        pod["metadata"]["name"] = role.lower()
        objects.append(pod)
with open(f"{folder}/built_in.yaml", "w", encoding="utf-8") as file:
    yaml.safe_dump_all(objects, file)
print(len(objects), "objects of built-in kinds, pods of jobs among them")
PYTHON
  echo "$place"
  "$folder/bin/kubernetes-validate" --strict "$folder/built_in.yaml" || status=1
done
exit $status
