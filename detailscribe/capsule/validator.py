"""Validation of a capsule's RO-Crate by roc-validator, in an environment of its own: `make capsule-validate FILE=...`.

The validator asks the network for the context of RO-Crate 1.1. The library `rocrate` brings that file, which serves it
here, so that no network is needed.
"""

import importlib
import importlib.resources
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from detailscribe.capsule.reader import CapsuleReader

PROFILE = "workflow-run-crate"
CONTEXT = "https://w3id.org/ro/crate/1.1/context"
# Terms that the library's newer context maps elsewhere than 1.1 does.
OF_1_1 = {
    "ComputationalWorkflow": "https://bioschemas.org/ComputationalWorkflow",
    "FormalParameter": "https://bioschemas.org/FormalParameter",
}
SEVERITIES = ("REQUIRED", "RECOMMENDED")


def main(arguments: Sequence[str]) -> int:
    """Validate one capsule, given as a file or folder; print what fails. 1 if a requirement does."""
    if len(arguments) != 1:
        print("usage: python -m detailscribe.capsule.validator FILE", file=sys.stderr)
        return 2
    _serve_context()
    path, failed = Path(arguments[0]), False
    with tempfile.TemporaryDirectory() as temporary:
        folder = path
        if path.is_file():
            folder = Path(temporary)
            with CapsuleReader(path) as capsule:
                for name in capsule.members:
                    (folder / name).parent.mkdir(parents=True, exist_ok=True)
                    (folder / name).write_bytes(capsule.read(name))
        for severity in SEVERITIES:
            issues = _issues(folder, severity)
            failed = failed or (bool(issues) and severity == SEVERITIES[0])
            print(f"{path}: {PROFILE}, {severity}: {len(issues)} issues", *issues, sep="\n  ")
    return int(failed)


def _issues(folder: Path, severity: str) -> list[str]:
    services = importlib.import_module("rocrate_validator.services")
    models = importlib.import_module("rocrate_validator.models")
    settings = services.ValidationSettings(
        rocrate_uri=str(folder),
        profile_identifier=PROFILE,
        requirement_severity=getattr(models.Severity, severity),
        requirement_severity_only=severity != SEVERITIES[0],
    )
    result = services.validate(settings)
    return sorted(
        {f"{issue.check.identifier}: {' '.join(str(issue.message).split())}" for issue in result.get_issues()}
    )


def _serve_context() -> None:
    """Let the validator's requests for the context of RO-Crate be answered from the file of the library."""
    context = (importlib.resources.files("rocrate") / "data" / "ro-crate.jsonld").read_text(encoding="utf-8")
    http: Any = importlib.import_module("rocrate_validator.utils.http")
    loader: Any = importlib.import_module("rocrate_validator.utils.document_loader")
    known, fetch = json.loads(context), loader._fetch_json_ld
    known = {"@context": known["@context"] | OF_1_1}

    def fetched(url: str) -> Any:
        return known if url.rstrip("/") == CONTEXT else fetch(url)

    loader._fetch_json_ld = fetched
    original = http.HttpRequester.__getattr__

    def answered(requester: Any, name: str) -> Any:
        call = original(requester, name)

        def served(url: Any, *rest: Any, **options: Any) -> Any:
            return _Response(known) if str(url).rstrip("/") == CONTEXT else call(url, *rest, **options)

        return served if name in ("get", "head") else call

    http.HttpRequester.__getattr__ = answered


class _Response:
    """What the validator reads of an answer with the context."""

    status_code, ok = 200, True
    headers = {"Content-Type": "application/ld+json"}

    def __init__(self, value: Any):
        self.text, self.content = json.dumps(value), json.dumps(value).encode()
        self._value = value

    def json(self) -> Any:
        """The context."""
        return self._value

    def raise_for_status(self) -> None:
        """Nothing: it is there."""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
