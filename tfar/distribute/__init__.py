"""Several devices: strategies by name, and losses and batches that are split over replicas."""

from tfar.distribute import replicas, strategies

__all__ = ["replicas", "strategies"]
