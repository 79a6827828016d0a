"""Says for every line (a JSON string) the words that shlex splits it into, or null."""
import json
import shlex
import sys

for line in sys.stdin:
    try:
        answer = shlex.split(json.loads(line))
    except ValueError:
        answer = None
    print(json.dumps(answer))
