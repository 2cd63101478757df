"""Tell people and machines: terminal, JSON, SARIF, JUnit, HTML, Markdown."""
