"""Why: each rule that fired in a decision, for programs (code and numbers) and for people.

The sentence is made only when somebody asks, so a reason costs nothing on the hot path.
"""

from typing import Any

import msgspec

SENTENCES: dict[str, str] = {
    # --- what set off the decision
    "woken": "a request came while nothing was wanted ({method} {path} from {client})",
    "load-at-zero": "load was reported while nothing was wanted",
    "starved": "{waiting} requests waited and no pod was on its way",
    # --- the decider
    "stable-load": "average {metric} {average} over {window} s needs {pods} at {target} per pod",
    "panic-load": "average {metric} {average} over {window} s needs {pods} at {target} per pod",
    "idle": "nothing arrived in the last {window} s",
    "rate-up": "wanted {wanted}, at most {cap} at once ({rate} times {ready} ready)",
    "rate-down": "wanted {wanted}, at least {cap} for now (no less than 1/{rate} of {ready} ready)",
    "activation-scale": "wanted {wanted}, but never fewer than {floor} while there is load",
    "panic-entered": "the last {window} s need {pods}, {ratio} times the {ready} ready: panic",
    "panic-extended": "the last {window} s still need {pods} for {ready} ready: panic goes on",
    "panic-left": "{window} s have passed since the last surge: panic is over",
    "panic-kept": "wanted {wanted}, keeping {kept} until the panic is over",
    "panic-restart": "{ready} pods were ready when we began to look: kept until there is data",
    "delayed": "wanted {wanted}, keeping {kept} as scale-down-delay asks",
    # --- class HPA
    "use": "{ready} ready pods use {percent} % of the target of {metric}: {pods}",
    "use-unknown": "{metric} of no pod could be measured: the number of pods stays as it is",
    "step": "wanted {wanted}, at most {cap} in one step",
    # --- the bounds
    "unknown": "no data yet: the number of pods stays as it is",
    "min-scale": "min-scale is {floor}",
    "max-scale": "wanted {wanted}, max-scale is {cap}",
    "initial-scale": "the initial scale of {floor} has not been reached yet",
    # --- to zero
    "scale-to-zero-disabled": "the last pod stays: enable-scale-to-zero is false",
    "activating": "the first pod has up to {timeout} s to become ready",
    "activation-timed-out": "no pod became ready in {timeout} s: given up",
    "active-window": "the last pod stays until it was active for {window} s",
    "deactivated": "idle: requests are held from now on, the last pod stays a little longer",
    "not-proxied": "the last pod stays until the gateway answers for it",
    "retention": "the last pod stays for {retention} s after it became idle",
    "grace": "the last pod stays until requests have been held for {grace} s",
    "to-zero": "idle and held: no pod is needed",
}
"""A sentence for every code; a test holds the list complete."""


class Reason(msgspec.Struct, frozen=True, gc=False):
    """One rule that fired: its code, and the numbers of this time."""

    code: str
    numbers: dict[str, Any] = {}

    @property
    def sentence(self) -> str:
        """The reason in plain words."""
        shown = {key: _shown(value) for key, value in self.numbers.items()}
        return SENTENCES[self.code].format(**shown)


def because(code: str, **numbers: Any) -> Reason:
    """The reason `code` with its numbers."""
    return Reason(code, numbers)


def _shown(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
