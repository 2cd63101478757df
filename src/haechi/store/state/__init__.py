"""``state.db``: what is known now and how it came to be, by SQLAlchemy Core."""
