"""A network reads texts of the length that it promises, or is refused before it learns."""

from pathlib import Path

import pytest
import samples

from service import owner
from service.errors import OwnerError
from service.lifecycle.source import Checkpoint
from service.lifecycle.start import learn_tokenizer, read_longest
from service.owner import Parameters

POSITIONS = 24
TOKENIZER = learn_tokenizer(["a cat", "a dog"], vocabulary_size=60, lowercase=True)


@pytest.mark.parametrize("length", [POSITIONS, POSITIONS + 1])
def test_one_text_of_the_greatest_length_is_read(length: int, tmp_path: Path) -> None:
    checkpoint = Checkpoint(tmp_path, {}, {}, TOKENIZER)
    config = {**owner.network.configure(None, 60), "max_position_embeddings": POSITIONS}
    parameters = Parameters(max_length=length, network=config)
    network = owner.network.build(parameters, len(samples.LABELS))

    if length == POSITIONS:
        read_longest(network, checkpoint, parameters, len(samples.LABELS))
        return
    with pytest.raises(OwnerError, match=f'text of {length} tokens.*"model_max_length"'):
        read_longest(network, checkpoint, parameters, len(samples.LABELS))
