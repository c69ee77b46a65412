"""Names as Kubernetes checks them: each check answers what is wrong, empty when nothing is."""

import re

_LABEL_1035 = r"[a-z]([-a-z0-9]*[a-z0-9])?"
_LABEL_1123 = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL_1123}(\.{_LABEL_1123})*"
_QUALIFIED = r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_C_IDENTIFIER = r"[A-Za-z_][A-Za-z0-9_]*"
_ENV_NAME = r"[-._a-zA-Z][-._a-zA-Z0-9]*"


def dns_1035_label(name: str) -> list[str]:
    """A label that begins with a letter: what Services and Revisions are called."""
    return [
        *_too_long(name, 63),
        *_unlike(
            name,
            _LABEL_1035,
            "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start "
            "with an alphabetic character, and end with an alphanumeric character",
            "my-name",
            "abc-123",
        ),
    ]


def dns_1035_prefix(prefix: str) -> list[str]:
    """What may begin such a label: a dash at its end is fine, as random characters follow."""
    masked = prefix[:-2] + "a" if len(prefix) > 1 and prefix.endswith("-") else prefix
    return dns_1035_label(masked)


def dns_1123_label(name: str) -> list[str]:
    """A label that may begin with a digit."""
    return [
        *_too_long(name, 63),
        *_unlike(
            name,
            _LABEL_1123,
            "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or "
            "'-', and must start and end with an alphanumeric character",
            "my-name",
            "123-abc",
        ),
    ]


def dns_1123_subdomain(name: str) -> list[str]:
    """Labels with dots between."""
    return [
        *_too_long(name, 253),
        *_unlike(
            name,
            _SUBDOMAIN,
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, "
            "'-' or '.', and must start and end with an alphanumeric character",
            "example.com",
        ),
    ]


def qualified_name(name: str) -> list[str]:
    """A label key: an optional subdomain, a slash, a name."""
    prefix, slash, rest = name.rpartition("/")
    if slash and "/" in prefix:
        text = "a valid label key " + _qualified_wording()
        return [text + " with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"]
    problems: list[str] = []
    if slash and not prefix:
        problems.append("prefix part must be non-empty")
    elif slash:
        problems += [f"prefix part {text}" for text in dns_1123_subdomain(prefix)]
    if not rest:
        problems.append("name part must be non-empty")
    elif len(rest) > 63:
        problems.append("name part must be no more than 63 characters")
    if not re.fullmatch(_QUALIFIED, rest):
        problems.append(
            "name part "
            + _qualified_wording()
            + (" with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')")
        )
    return problems


def c_identifier(name: str) -> list[str]:
    """A name as C has them: what kinds are called."""
    wording = (
        "a valid C identifier must start with alphabetic character or '_', followed by a string "
        "of alphanumeric characters or '_'"
    )
    return _unlike(name, _C_IDENTIFIER, wording, "my_name", "MY_NAME", "MyName")


def environment_name(name: str) -> list[str]:
    """The name of an environment variable."""
    wording = (
        "a valid environment variable name must consist of alphabetic characters, digits, '_', "
        "'-', or '.', and must not start with a digit"
    )
    return _unlike(name, _ENV_NAME, wording, "my.env-name", "MY_ENV.NAME", "MyEnvName1")


def domain_name(field: str, name: str) -> str:
    """What keeps `name` from being a fully qualified domain; "" when nothing does."""
    if not name:
        return f"{field}: Required value"
    bare = name.removesuffix(".")
    wrong = dns_1123_subdomain(bare)
    if wrong:
        return f'{field}: Invalid value: "{bare}": {",".join(wrong)}'
    labels = bare.split(".")
    if len(labels) < 2:
        needed = "should be a domain with at least two segments separated by dots"
        return f'{field}: Invalid value: "{bare}": {needed}'
    faults = [
        f'{field}: Invalid value: "{label}": {",".join(wrong)}'
        for label in labels
        if (wrong := dns_1123_label(label))
    ]
    return faults[0] if len(faults) == 1 else f"[{', '.join(faults)}]" if faults else ""


def listed(problems: list[str]) -> str:
    """Several texts as Go prints a list of them."""
    return f"[{' '.join(problems)}]"


def _qualified_wording() -> str:
    return _regex_wording(
        _QUALIFIED,
        "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with "
        "an alphanumeric character",
        ("MyName", "my.name", "123-abc"),
    )


def _too_long(name: str, most: int) -> list[str]:
    return [f"must be no more than {most} characters"] if len(name) > most else []


def _unlike(name: str, pattern: str, wording: str, *examples: str) -> list[str]:
    if re.fullmatch(pattern, name):
        return []
    return [_regex_wording(pattern, wording, examples)]


def _regex_wording(pattern: str, wording: str, examples: tuple[str, ...]) -> str:
    shown = " or ".join(f"'{example}', " for example in examples).removesuffix(", ")
    return f"{wording} (e.g. {shown}, regex used for validation is '{pattern}')"
