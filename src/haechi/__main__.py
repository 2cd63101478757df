"""``python -m haechi``."""

from haechi.cli.main import main

main()
