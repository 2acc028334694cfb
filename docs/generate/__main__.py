"""Write every document that is made from the code, each to its place in the repository."""

from __future__ import annotations

from pathlib import Path

from docs.generate.documents import documents

REPOSITORY = Path(__file__).resolve().parents[2]


def main() -> None:
    """Write them; one that is unchanged keeps its time."""
    for name, text in documents().items():
        path = REPOSITORY / name
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
