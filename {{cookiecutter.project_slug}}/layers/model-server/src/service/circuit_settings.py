"""Settings of the way to a model server, whichever it is."""

from pydantic import BaseModel, Field


class CircuitSettings(BaseModel):
    """When a model server is left alone."""

    circuit_failures: int = Field(default=5, ge=1)
    """Failed calls in a row until it is."""

    @property
    def numeric_threads(self) -> int:
        """Threads that numeric libraries may use in this process, which runs no model."""
        return 1
