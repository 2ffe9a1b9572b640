"""Every store in memory: for tests and for users of the library. They live as long as their process.

They keep to scopes and refuse values as a database does, and nothing in them is an object that a caller holds too.
"""

from adapters.memory.work import MemoryWork

__all__ = ["MemoryWork"]
