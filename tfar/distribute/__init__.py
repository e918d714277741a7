"""Several devices: strategies by name, and losses and batches that are split over replicas."""
