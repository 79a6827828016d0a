"""Says for every line (a JSON string that holds a document) what a JSON Schema makes of it."""
import json
import sys

try:
    import jsonschema
except ImportError:
    jsonschema = None

if jsonschema:
    with open(sys.argv[1], encoding="utf-8") as file:
        schema = json.load(file)
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
for line in sys.stdin:
    document = json.loads(json.loads(line))
    print(json.dumps(validator.is_valid(document) if jsonschema else None))
