"""Constants that training shares with the daemon: the output of `melos contract --json`, stored beside this file."""

import json
from importlib.resources import files
from typing import Any

CONTRACT: dict[str, Any] = json.loads(files(__package__).joinpath("contract.json").read_text(encoding="utf-8"))
