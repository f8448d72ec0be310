"""Corpora and students as folders for the hub: a card with provenance, licence and fingerprints; pushed when asked."""

from stepdown.publishing.folders import Published, publish_corpus, publish_student
from stepdown.publishing.pushing import Pushed, check_repository, push

__all__ = ["Published", "Pushed", "check_repository", "publish_corpus", "publish_student", "push"]
