"""Says for every line (a JSON string with a JSON text in it) which values Python reads in the text."""
import json
import struct
import sys
from decimal import Context, Decimal

EXACT = Context(prec=1_000)


def number(text):
    # There are two zeros, and one is meant.
    double = struct.pack(">d", float(text) + 0.0).hex()
    exact = EXACT.create_decimal(text).normalize(EXACT)
    sign, digits, power = exact.as_tuple()
    if not exact:
        return ["number", double, "0e0"]
    return ["number", double, f"{'-' * sign}{''.join(map(str, digits))}e{power}"]


def told(value):
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case str():
            return ["text", value]
        case ("number", *_):
            return list(value)
        case list():
            return ["list", [told(element) for element in value]]
        case dict():
            names = sorted(value, key=lambda name: name.encode())
            return ["object", [[name, told(value[name])] for name in names]]


def keep(text):
    return tuple(number(text))


for line in sys.stdin:
    print(json.dumps(told(json.loads(json.loads(line), parse_int=keep, parse_float=keep))))
