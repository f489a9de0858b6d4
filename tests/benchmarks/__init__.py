"""Figures, not verdicts: `make bench` measures this project beside what people would use instead."""
