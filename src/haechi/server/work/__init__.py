"""What handlers put together: what a push covered, what a waiver means, what needs a person."""
