"""What went wrong while a file was read, counted, and told in one line."""


class Faults:
    """Counts of what could not be read, and notes in words. packets: could not be decoded; frames: came out damaged."""

    def __init__(self) -> None:
        self.packets = 0
        self.frames = 0
        self._notes: list[str] = []

    def note(self, words: str) -> None:
        """Remember something, once."""
        if words not in self._notes:
            self._notes.append(words)

    def words(self) -> str | None:
        """All of it in one line; None where nothing went wrong."""
        told = list(self._notes)
        if self.packets:
            told.append(f"packets that could not be decoded: {self.packets}")
        if self.frames:
            told.append(f"damaged frames: {self.frames}")
        return "; ".join(told) or None
