"""Runs as a folder of files: pages that are opened from disk or by any web server, and searched without one."""

from stepdown.web.bundles.folder import Bundle, BundlePlan, write_bundle

__all__ = [
    "Bundle",
    "BundlePlan",
    "write_bundle",
]
