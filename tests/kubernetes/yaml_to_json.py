"""Prints the documents of a YAML file as one JSON array."""

import json
import sys

import yaml

with open(sys.argv[1], encoding="utf-8") as file:
    documents = list(yaml.load_all(file, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)))
json.dump([document for document in documents if document is not None], sys.stdout)
