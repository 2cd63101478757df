"""Infrastructure as code: Kubernetes manifests, overlays and charts, Dockerfiles."""
