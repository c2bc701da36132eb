"""What Prometheus records and pages on, and what Grafana shows: one source, made from service.metrics."""
