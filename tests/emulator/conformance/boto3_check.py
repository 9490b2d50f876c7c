"""Drives every operation of the emulator with unmodified boto3 and checks answers, errors and their wire form.

    python boto3_check.py --endpoint http://127.0.0.1:4566

The emulator is reset and its rates are lifted first. Every JSON answer is compared with botocore's output shapes: no
unknown member, no wrong type, no missing required member. The last line says `N passed, N failed`; any failure, and any
emulated operation that no check called, makes the exit code 1.
"""

import argparse
import json
import sys
import traceback
from pathlib import Path

import account_checks  # noqa: F401  each module registers its checks in the order of these lines
import event_checks  # noqa: F401
import logs_checks  # noqa: F401
import trace_checks  # noqa: F401
import xray_checks  # noqa: F401
from support import CALLED, CHECKS, Emulator, check


@check
def every_emulated_operation_was_called(e):
    for path in (Path(__file__).parent.parent / "model").glob("*.json"):
        operations = json.loads(path.read_text())["operations"]
        missing = [name for name in operations if (path.stem, name) not in CALLED]
        assert not missing, f"{path.stem}: {missing}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--endpoint", default="http://127.0.0.1:4566")
    emulator = Emulator(parser.parse_args().endpoint)
    emulator.control("GET", "health")
    passed = failed = 0
    for function in CHECKS:
        try:
            emulator.fresh()
            function(emulator)
        except Exception:
            failed += 1
            print(f"FAILED {function.__name__.replace('_', ' ')}")
            traceback.print_exc(file=sys.stdout)
        else:
            passed += 1
            print(f"ok     {function.__name__.replace('_', ' ')}")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
