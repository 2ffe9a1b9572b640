"""A population in memory: exact sizes out of bitmaps. Needs the `population` extra."""

from adapters.population.answers import PopulationAnswers
from adapters.population.bitmap import BitmapIndex

__all__ = ["BitmapIndex", "PopulationAnswers"]
