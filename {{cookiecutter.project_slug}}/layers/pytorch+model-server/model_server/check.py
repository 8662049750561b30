"""Exit status 0 when TorchServe has a worker that is ready for each model in the store.

For the container's probes: the interfaces want a token, which a probe of HTTP does not have.
"""

import sys
from urllib.error import URLError

from serve import Management, Options, archives_of


def main() -> int:
    """Look once; gives the exit status."""
    options = Options.read()
    management = Management(options)
    try:
        names = archives_of(options.store)
        is_ready = bool(names) and all(map(management.is_ready, names))
    except (URLError, OSError, ValueError, KeyError) as error:
        sys.stderr.write(f"TorchServe does not answer: {error!r}\n")
        return 1
    return 0 if is_ready else 1


if __name__ == "__main__":
    sys.exit(main())
