"""Answers questions about inventories with ansible's own code.

Reads one JSON request a line from stdin and writes one JSON answer a line to stdout. Ansible is
imported once; `list` runs the ansible-inventory command in a forked child, so that requests share
nothing. Used by the tests that compare this package with ansible.
"""
import ast
import io
import json
import os
import sys
import traceback

import ansible.cli.inventory as cli
from ansible.inventory.group import Group  # noqa: F401 (loads the plugins' base)
from ansible.module_utils._text import to_text
from ansible.parsing.ajson import AnsibleJSONEncoder
from ansible.parsing.yaml.loader import AnsibleLoader
from ansible.plugins.inventory import BaseInventoryPlugin
from ansible.plugins.inventory.ini import InventoryModule as INI
from ansible.plugins.loader import inventory_loader, vars_loader
from ansible.utils.shlex import shlex_split

for warm in ("host_list", "script", "auto", "yaml", "ini", "toml"):
    inventory_loader.get(warm)
list(vars_loader.all())


def finite(value):
    """JSON has no infinity and no NaN; their names stand for them."""
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return repr(value)
    if isinstance(value, list):
        return [finite(v) for v in value]
    if isinstance(value, dict):
        return {k: finite(v) for k, v in value.items()}
    return value


def dumps(value):
    return finite(json.loads(json.dumps(value, cls=AnsibleJSONEncoder, preprocess_unsafe=True, ensure_ascii=False)))


def literal(text):
    return dumps(INI._parse_value(text))


def pattern(text):
    hosts, port = BaseInventoryPlugin()._expand_hostpattern(text)
    return {"hosts": hosts, "port": port}


def yaml_value(text):
    return dumps([AnsibleLoader(text).get_single_data()])[0]


def listing(args):
    """Runs ansible-inventory in a child and returns its exit status, output and messages."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(read)
        out, err = io.StringIO(), io.StringIO()
        sys.stdout, sys.stderr = out, err
        status = 0
        try:
            cli.main(["ansible-inventory"] + args)
        except SystemExit as e:
            status = e.code or 0
        except BaseException:
            status = 250
            traceback.print_exc()
        with os.fdopen(write, "w", errors="replace") as f:
            json.dump({"status": status, "out": out.getvalue(), "err": err.getvalue()}, f)
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as f:
        answer = json.load(f)
    os.waitpid(pid, 0)
    return answer


OPS = {
    "literal": literal,
    "shlex": lambda text: shlex_split(text, comments=True),
    "pattern": pattern,
    "yaml": yaml_value,
    "lines": lambda text: to_text(text).splitlines(),
    "list": listing,
}

for line in sys.stdin:
    request = json.loads(line)
    try:
        answer = {"ok": OPS[request["op"]](request["in"])}
    except BaseException as e:
        answer = {"error": "%s: %s" % (type(e).__name__, e)}
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()
