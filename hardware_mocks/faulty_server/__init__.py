"""A reverse proxy in front of the local server that fails on demand."""

from .rules import ENDPOINTS, Kind, Plan, Rule, parse_rule
from .server import FaultyServer

__all__ = ["ENDPOINTS", "FaultyServer", "Kind", "Plan", "Rule", "parse_rule"]
