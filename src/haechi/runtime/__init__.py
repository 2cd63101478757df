"""Behind the door: what sources say → events → rules → detections."""
