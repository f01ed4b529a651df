"""The mock GenTL producer: where its .cti lies, and what its frames must look like.

Set ``GENICAM_GENTL64_PATH`` to the folder of `cti_path`, or give the path to the consumer, and the cameras
made of software appear in it. `expected_frame` and `expected_payload` compute the pixels of any frame, so
that what a consumer received can be compared bit by bit.
"""

from rheed_mock_gentl.location import ProducerNotFoundError, cti_path
from rheed_mock_gentl.pixels import SAMPLE_BITS, expected_frame, expected_payload, read_stamp

__all__ = [
    "SAMPLE_BITS",
    "ProducerNotFoundError",
    "cti_path",
    "expected_frame",
    "expected_payload",
    "read_stamp",
]
__version__ = "1.0.0"
