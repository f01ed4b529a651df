"""Telling a run of a camera's fault: once, and not while the camera is being stopped."""

from __future__ import annotations

import logging
import threading

from rheed_acquire.cameras.camera import CameraError, OnFault

logger = logging.getLogger(__name__)


class FaultReport:
    """Tells the run of the first fault, once, and of none while the camera is being stopped."""

    def __init__(self, on_fault: OnFault) -> None:
        self._on_fault = on_fault
        self._lock = threading.Lock()
        self._silent = False

    def silence(self) -> None:
        """Report nothing any more."""
        with self._lock:
            self._silent = True

    def __call__(self, error: CameraError) -> None:
        """Report a fault, where it is the first."""
        with self._lock:
            if self._silent:
                return
            self._silent = True
        try:
            self._on_fault(error)
        except Exception:
            logger.exception("the run's fault handler failed")
