"""Says for every line (a JSON string) the normal form of a path by Python's own rules."""
import json
import posixpath
import sys

for line in sys.stdin:
    print(json.dumps(posixpath.normpath(json.loads(line))))
