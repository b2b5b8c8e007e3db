"""Holds lines of `aasm audit export --format ocsf` against the published schema: ocsf.py < lines"""

import json
import sys

from jsonschema import Draft202012Validator
from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema

ocsf = OcsfJsonSchemaEmbedded(get_ocsf_schema("1.8.0"))
validators, wrong, classes = {}, 0, {}
for line in sys.stdin:
    event = json.loads(line)
    uid = event["class_uid"]
    if uid not in validators:
        name = ocsf.lookup_class_name_from_uid(uid)
        schema = ocsf.get_class_schema(name, event["metadata"]["profiles"])
        validators[uid] = Draft202012Validator(schema)
    classes[uid] = classes.get(uid, 0) + 1
    for error in validators[uid].iter_errors(event):
        wrong += 1
        print(uid, event["activity_name"], list(error.absolute_path), error.message[:300])
print(classes)
sys.exit(1 if wrong else 0)
