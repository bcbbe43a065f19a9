"""Maxima at infinity.

stages            which rows still count on the way to a limit, and the ordinary fit that remains
drifting resolve  sizes that are on their way; the fits in the limit
"""
