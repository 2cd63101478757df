"""Foreign engines that say what ours should have said. None is a dependency of haechi."""
