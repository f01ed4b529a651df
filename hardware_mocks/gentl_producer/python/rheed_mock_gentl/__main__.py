"""``python -m rheed_mock_gentl`` prints the path of the producer."""

from __future__ import annotations

import sys

from rheed_mock_gentl.location import ProducerNotFoundError, cti_path


def main() -> int:
    """Print the path; one line on stderr and 1 where there is none."""
    try:
        print(cti_path())
    except ProducerNotFoundError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
