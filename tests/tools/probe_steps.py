"""Measure steps of a network as large as GPT-2 beside transformers' own; prints Markdown.

Run in a repository that generates in-process with PyTorch by the Python of its environment, with
``src`` on its path; words choose formats. The weights are random. Rounds alternate between formats.
"""

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np
import torch
from model import network
from model.preprocess import Parameters
from service.lifecycle.engine import EXPORTERS
from service.manifest import Artefact, Manifest
from service.model import Model
from service.threads import available_cpus
from transformers import AutoConfig, AutoModelForCausalLM, DynamicCache

from service import runtime

ROUNDS = 5
ROWS = (1, 16)
CONTEXTS = (16, 900)


def main() -> None:
    config = AutoConfig.for_model("gpt2")
    model = AutoModelForCausalLM.from_config(config).eval()
    facts = config.to_diff_dict() | {"model_type": "gpt2"}
    parameters = Parameters(**network.dimensions(facts), end_tokens=(0,), network=facts)
    signature = parameters.signature()
    manifest = Manifest.model_construct(signature=signature)
    graphs = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in sys.argv[1:] or ("pt2", "onnx"):
            path, save = EXPORTERS[name]
            save(network.Network(model), parameters, signature, Path(folder, path))
            artefact = Artefact(format=name, path=path)
            graphs[name] = runtime.load_graph(Path(folder), manifest, artefact, available_cpus())
    names = ["transformers", *graphs]
    print(f"| streams | context | {' | '.join(names)} |\n|--:|--:|{'--:|' * len(names)}")
    for rows in ROWS:
        for context in CONTEXTS:
            steps = {"transformers": usual(model, rows, context)}
            for name, graph in graphs.items():
                steps[name] = served(
                    Model(graph, signature, rows, parameters.context_length), rows, context
                )
            taken = measured(steps)
            print(f"| {rows} | {context} | {' | '.join(f'{taken[each]:.0f}' for each in names)} |")


def served(model: Model, rows: int, context: int) -> Callable[[], object]:
    tokens, lengths = np.zeros((rows, 1), np.int64), np.full(rows, context)
    return lambda: model.step(0, tokens, lengths)


def usual(model: torch.nn.Module, rows: int, context: int) -> Callable[[], object]:
    """A step of transformers' ``generate``, without its choosing of tokens."""
    cache = DynamicCache()
    past = torch.randn(rows, model.config.n_head, context, 64)
    for layer in range(model.config.n_layer):
        cache.update(past, past, layer)
    tokens = torch.zeros(rows, 1, dtype=torch.int64)

    def step() -> None:
        with torch.inference_mode():
            model(input_ids=tokens, cache=cache, use_cache=True)
        cache.crop(-1)

    return step


def measured(steps: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Milliseconds of a step of each; medians."""
    taken: dict[str, list[float]] = {name: [] for name in steps}
    for number in range(ROUNDS + 1):
        for name, step in steps.items():
            started = time.perf_counter()
            step()
            if number:  # the first one fills caches
                taken[name].append(1000 * (time.perf_counter() - started))
    return {name: median(each) for name, each in taken.items()}


if __name__ == "__main__":
    main()
