"""The licence of Docker Datacenter: `docker_subscription.lic`, a small JSON object.

What makes one valid is known to its issuer alone. That a file is none at all is seen here, before anything is
made (the fields: docker/licensing: model/license.go; scripts of users check `key_id` with jq).
"""

from __future__ import annotations

from dinv.errors import OptionError
from dinv.formats import json_text
from dinv.system import files

LARGEST = 64 * 1024
FIELDS = ("key_id", "private_key", "authorization")
OPTION = "ucp-license"
PLACE = "/config/docker_subscription.lic"
"""Where the installer looks for it (Mirantis: mke-cli-install)."""


def read(path: str) -> bytes:
    """Return a licence. Raises OptionError if the file is none."""
    try:
        data = files.read(path, largest=LARGEST)
    except OSError as error:
        raise _refused(path, f"cannot be read: {error.strerror}") from error
    try:
        found = json_text.parse(data.decode("utf-8-sig"))
    except ValueError as error:
        raise _refused(path, "is not a licence: it is not JSON") from error
    if not isinstance(found, dict):
        raise _refused(path, "is not a licence: it is not a JSON object")
    lacking = [field for field in FIELDS if not isinstance(found.get(field), str) or not found[field].strip()]
    if lacking:
        raise _refused(path, f"is not a licence: it has no {' and no '.join(lacking)}")
    return data


def _refused(path: str, why: str) -> OptionError:
    advice = "A licence is the file docker_subscription.lic, as it was downloaded"
    return OptionError(f"{why}. {advice}", option=OPTION, value=path)
