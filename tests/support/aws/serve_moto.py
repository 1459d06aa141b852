"""Serves moto on a free port of loopback, which it prints, until its standard input ends: until whoever started it is gone. Each line of
standard input tells its EC2 something, see `moto_ec2.tell`; it is answered by an empty line."""

import json
import logging
import sys

import moto_ec2
from moto.moto_server.threaded_moto_server import ThreadedMotoServer

logging.getLogger("werkzeug").setLevel(logging.ERROR)
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
print(server.get_host_and_port()[1], flush=True)
for line in sys.stdin:
    told = json.loads(line)
    moto_ec2.tell(told["account"], told["region"], told["told"])
    print(flush=True)
server.stop()
