"""The words that an answer brings: none may stand in a repository that did not choose it."""

import re

WORDS: dict[str, str] = {
    "flask": r"flask|werkzeug|itsdangerous",
    "django": r"django|asgiref|sqlparse",
    "pytorch": r"pytorch|\btorch|onnx|\bpt2\b|state_dict",
    "tensorflow": r"tensorflow|\bkeras|\btf\b|\btf\.|savedmodel|saved_model|\bh5py",
    "image-classification": r"image.classification|\bmax_pixels\b|\bPIL\b",
    "text-classification": r"text.classification",
    "token-classification": r"token.classification|named.entit|\biob2\b|entity_f1",
    "text-generation": (
        r"text.generation|byte_pairs|causal"
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
    ("src/service/grpc_transport.py", "predict"): "TensorFlow Serving's method is called so",
    ("src/service/encoders.py", "pytorch"): "checkpoints call an activation so",
    ("src/service/families.py", "pytorch"): "checkpoints call an activation so",
}
"""``(path, answer)`` that may name an answer that was not chosen, with the reason."""


def unchosen_words(answers: set[str], path: str, text: str) -> list[str]:
    """Where *path* or its *text* names an answer other than *answers*, as ``path:line: word``."""
    found = []
    for answer in WORDS.keys() - answers:
        if (path, answer) in ALLOWED:
            continue
        pattern = re.compile(WORDS[answer], re.IGNORECASE)
        for number, line in enumerate([path, *text.splitlines()]):
            found += [
                f"{path}:{number}: {match[0]} in {line!r}" for match in pattern.finditer(line)
            ]
    return found
