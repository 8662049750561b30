"""An archive that would do more than compute is refused by what TorchServe runs, too."""

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import SimpleNamespace

import pytest
from fake_version import write_fake_version
from hostile import HOSTILE

from service import manifest as manifests
from service.errors import OwnerError
from service.manifest import Artefact

(HANDLER,) = (Path(__file__).parents[1] / "model_server").glob("*_handler.py")


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
@pytest.mark.parametrize("file", ["sample-inputs.pt2", "size.pt2", "save.pt"])
def test_the_handler_refuses_it_and_nothing_runs(
    file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = write_fake_version(tmp_path / "default")
    HOSTILE[file](version / file, tmp_path / "planted")
    artefact = Artefact(format=file.rpartition(".")[2], path=file)
    changed = {"artefacts": [artefact], "files": manifests.digests(version)}
    manifests.write(manifests.read(version).model_copy(update=changed), version)
    rows = {"maxRows": 8, "prefillTokens": 8, "maxContextTokens": 64}
    context = SimpleNamespace(
        system_properties={"model_dir": str(version)},
        model_yaml_config={"batchSize": 1, "handler": rows},
    )
    spec = spec_from_file_location("hostile_handler", HANDLER)
    assert spec is not None
    assert spec.loader is not None
    handler = module_from_spec(spec)
    spec.loader.exec_module(handler)
    monkeypatch.setattr(handler, "configure_logs", lambda *_: None)

    with pytest.raises(OwnerError, match=rf"{file}.*was refused"):
        handler.handle(None, context)

    assert not (tmp_path / "planted").exists()
