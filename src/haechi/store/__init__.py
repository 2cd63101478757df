"""What the server keeps: state, events, the signed audit log. One folder, one owner process."""
