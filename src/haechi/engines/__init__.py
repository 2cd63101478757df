"""Languages that are parsed or that judge, without I/O: YAML documents, Dockerfile, CEL."""
