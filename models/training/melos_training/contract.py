"""The numbers that playing and training share: what `melos contract --json` prints, kept beside this file."""

import json
from importlib.resources import files
from typing import Any

CONTRACT: dict[str, Any] = json.loads(files(__package__).joinpath("contract.json").read_text(encoding="utf-8"))
