"""A file of DEAP's shape."""

from tests.support.deap import deap_arrays, deap_file

__all__ = ["deap_arrays", "deap_file"]
