"""The paper's networks, what they must beat, and how they are trained."""
