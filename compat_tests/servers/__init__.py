"""Loopback stand-ins for the two clouds, so that the real clients are tested over HTTP without leaving the machine."""
