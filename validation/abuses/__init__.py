"""Misuses of the package, by kind, each with the answer that it must get.

registry                          how a misuse is written down and judged
commands                          the command line; workers, memory and progress
"""
