"""Whole numbers: ink is cut into pieces, one call of the predictor reads them all, the likeliest way through wins."""
