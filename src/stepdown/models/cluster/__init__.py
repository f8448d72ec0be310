"""Models of this kind of machine on every node of a cluster: an engine per worker, and one model of them all here."""

from stepdown.models.cluster.cluster_model import ClusterModel

__all__ = ["ClusterModel"]
