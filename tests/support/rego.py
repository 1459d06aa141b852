"""Asks a Rego policy about an input.

Reads {"policy": ..., "input": ..., "rule": ...}; prints the texts that the rule comes to, sorted, as JSON.
"""

import base64
import json
import sys

from regopy import Interpreter

# What is printed has quotes inside of texts as they are: on the way out texts go encoded.
ASKED = """package asked

import rego.v1

answer := [base64.encode(sprintf("%v", [item])) | some item in {rule}]
"""

given = json.load(sys.stdin)
interpreter = Interpreter()
interpreter.add_module("policy", given["policy"])
interpreter.add_module("asked", ASKED.replace("{rule}", given["rule"]))
interpreter.set_input(given["input"])
answer = json.loads(str(interpreter.query("answer = data.asked.answer")))
json.dump(sorted(base64.b64decode(text).decode() for text in answer["bindings"]["answer"]), sys.stdout)
