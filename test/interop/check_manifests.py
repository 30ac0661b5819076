"""Checks the files of deploy/ with the schemas of Kubernetes (strictly) and the models of KServe's own package.

python check_manifests.py DEPLOY; prints a JSON list of what is wrong.
"""

import json
import re
import sys
from pathlib import Path

import kserve.models
import kubernetes.client
import kubernetes_validate
import yaml

kinds = {
    "ServingRuntime": "V1alpha1ServingRuntime",
    "InferenceService": "V1beta1InferenceService",
}
plain = {"str": str, "bool": bool, "int": int, "float": (int, float), "object": object}


def model_of(name):
    return getattr(kserve.models, name, None) or getattr(kubernetes.client, name)


def faults(value, kind, where):
    """What does not fit a type as the generated models spell it: str, list[V1Container], dict(str, str), V1Container."""
    inner = re.fullmatch(r"[Ll]ist\[(.+)\]", kind)
    if inner:
        if not isinstance(value, list):
            return [f"{where} must be a list"]
        return [one for i, each in enumerate(value) for one in faults(each, inner[1], f"{where}[{i}]")]
    inner = re.fullmatch(r"[Dd]ict[(\[](\w+), (.+)[)\]]", kind)
    if inner:
        if not isinstance(value, dict):
            return [f"{where} must be a map"]
        return [one for key, each in value.items() for one in faults(each, inner[2], f"{where}.{key}")]
    if kind in plain:
        return [] if isinstance(value, plain[kind]) else [f"{where} must be {kind}, but is {value!r}"]
    # Numbers or texts, which Kubernetes reads itself: ports, amounts of memory.
    if kind in ("IntOrString", "ResourceQuantity", "datetime"):
        return []
    model = model_of(kind)
    names = {spelled: name for name, spelled in model.attribute_map.items()}
    found = [f"{where} has no field {key!r}" for key in value if key not in names]
    given = {names[key]: each for key, each in value.items() if key in names}
    try:
        model(**given)
    except ValueError as fault:
        found.append(f"{where}: {fault}")
    types = model.openapi_types
    return found + [one for name, each in given.items() for one in faults(each, types[name], f"{where}.{name}")]


def documents(path):
    return list(yaml.safe_load_all(path.read_text()))


def check(deploy):
    found = []
    for document in documents(deploy / "kubernetes.yaml"):
        for version in ("1.37", "1.29"):
            try:
                kubernetes_validate.validate(document, version, strict=True)
            except kubernetes_validate.ValidationError as fault:
                found.append(f"{document['kind']}, Kubernetes {version}: {fault.message}")
    for document in documents(deploy / "kserve.yaml"):
        found += faults(document, kinds[document["kind"]], document["kind"])
    return found


print(json.dumps(check(Path(sys.argv[1]))))
