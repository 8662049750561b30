"""The words that an answer brings: none may stand in a repository that did not choose it."""

import re
from functools import cache

WORDS: dict[str, str] = {
    "flask": r"flask|werkzeug|itsdangerous",
    "django": r"django|asgiref|sqlparse",
    "pytorch": r"pytorch|\btorch|onnx|\bpt2\b|state_dict",
    "tensorflow": r"tensorflow|\bkeras|\btf\b|\btf\.|savedmodel|saved_model|\bh5py",
    "image-classification": r"image.classification|\bmax_pixels\b|\bPIL\b",
    "text-classification": r"text.classification",
    "token-classification": r"token.classification|named.entit|\biob2\b|entity_f1",
    "text-generation": (
        r"text.generation|causal"
        r"|/generate\b|\bopenai\b|chat.template|continuous.batch|repetition_penalty"
    ),
    "predict": r"/predict\b|open.?inference|tritonclient|(?<!autoscaling)/v2\b",
    "in-process": r"in.process|micro.batch",
    "model-server": r"model[_-]server|torchserve|tensorflow.serving|circuit.breaker",
    "github-actions": r"github.actions|\.github\b|dependabot|actions/checkout",
    "gitlab-ci": r"gitlab",
    "jenkins": r"jenkins",
}
"""For each answer, a pattern without regard to case; read in paths and in all text."""

ALLOWED: dict[tuple[str, str], str] = {
    ("data/train.jsonl", "pytorch"): "people carry torches",
    ("data/held-out.jsonl", "pytorch"): "people carry torches",
    ("data/train.csv", "pytorch"): "people buy torches",
    ("src/service/tensorflow_serving.py", "predict"): "TensorFlow Serving's method is called so",
    ("src/service/lifecycle/readers.py", "pytorch"): "who has ONNX hears what to do with it",
    ("docs/import.md", "pytorch"): "who has ONNX hears what to do with it",
    ("src/service/encoders.py", "pytorch"): "checkpoints call an activation so",
    ("src/service/families.py", "pytorch"): "checkpoints call an activation so",
}
"""``(path, answer)`` that may name an answer that was not chosen, with the reason."""


_PATTERNS = {answer: re.compile(words, re.IGNORECASE) for answer, words in WORDS.items()}


@cache
def words_in(path: str, text: str) -> list[tuple[str, str]]:
    """Each answer that *path* or its *text* names, with where it does, as ``path:line: word``."""
    found = []
    for answer, pattern in _PATTERNS.items():
        if (path, answer) in ALLOWED:
            continue
        for match in (*pattern.finditer(path), *pattern.finditer(text)):
            line = text.count("\n", 0, match.start()) + 1 if match.string is text else 0
            found.append((answer, f"{path}:{line}: {match[0]}"))
    return found


def unchosen_words(answers: set[str], path: str, text: str) -> list[str]:
    """Where *path* or its *text* names an answer other than *answers*, as ``path:line: word``."""
    return [where for answer, where in words_in(path, text) if answer not in answers]
