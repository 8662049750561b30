"""Where a repository's packages come from: pip's settings for uv, and PyTorch's builds."""

import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import zipfile
from base64 import urlsafe_b64encode
from pathlib import Path

import pytest

from matrix import SKELETON
from packages_script import packages
from service import clean_environ, free_port


def test_variables_win_over_the_section_of_install_and_that_over_the_global_one() -> None:
    listed = """\
WARNING: something else
:env:.timeout='9'
download.index-url='https://download.example/simple'
global.index-url='https://global.example/simple'
global.proxy='http://proxy.example:3128'
global.timeout='7'
install.index-url='https://install.example/simple'
"""

    assert packages.pip_options(listed) == {
        "index-url": "https://install.example/simple",
        "proxy": "http://proxy.example:3128",
        "timeout": "9",
    }


@pytest.mark.parametrize(
    ("options", "variables"),
    [
        ({"index-url": "https://a/simple"}, {"UV_DEFAULT_INDEX": "https://a/simple"}),
        (
            {"extra-index-url": "\nhttps://b/simple\nhttps://c/simple"},
            {
                "UV_INDEX": "https://b/simple https://c/simple",
                "UV_INDEX_STRATEGY": "unsafe-best-match",
            },
        ),
        ({"find-links": "/w https://d/"}, {"UV_FIND_LINKS": "/w,https://d/"}),
        ({"find-links": "w"}, {"UV_FIND_LINKS": str(Path("w").absolute())}),
        ({"trusted-host": "a b:8080"}, {"UV_INSECURE_HOST": "a b:8080"}),
        ({"cert": "~/ca.pem"}, {"SSL_CERT_FILE": str(Path("~/ca.pem").expanduser())}),
        ({"client-cert": "/key.pem"}, {"SSL_CLIENT_CERT": "/key.pem"}),
        ({"default-timeout": "180"}, {"UV_HTTP_TIMEOUT": "180"}),
        ({"retries": "2"}, {"UV_HTTP_RETRIES": "2"}),
        ({"constraint": "/c.txt /d.txt"}, {"UV_CONSTRAINT": "/c.txt /d.txt"}),
        ({"proxy": "http://p:1"}, {"HTTP_PROXY": "http://p:1", "HTTPS_PROXY": "http://p:1"}),
        ({"keyring-provider": "import"}, {"UV_KEYRING_PROVIDER": "subprocess"}),
        ({"no-index": "true"}, {"UV_DEFAULT_INDEX": "file:///nonexistent"}),
        ({"no-index": "0", "quiet": "1"}, {}),
    ],
)
def test_uv_is_told_what_pip_knows(options: dict[str, str], variables: dict[str, str]) -> None:
    assert packages.uv_variables(options) == variables


def test_pips_files_and_variables_reach_uv_and_uvs_own_variables_win(tmp_path: Path) -> None:
    config = tmp_path / "pip.conf"
    config.write_text("[global]\nindex-url = https://file.example/simple\nretries = 3\n")
    environ = clean_environ() | {
        "PIP_CONFIG_FILE": str(config),
        "PIP_INDEX_URL": "",  # as CI systems set what has no value
        "PIP_TRUSTED_HOST": "file.example",
        "PIP_RETRIES": "4",
        "UV_INSECURE_HOST": "own.example",
    }
    show = [sys.executable, "-c", "import json, os; print(json.dumps(dict(os.environ)))"]
    command = [sys.executable, str(SKELETON / "tools" / "packages.py"), sys.prefix, "run", *show]
    given = json.loads(subprocess.check_output(command, env=environ, text=True))

    assert given["UV_DEFAULT_INDEX"] == "https://file.example/simple"
    assert given["UV_HTTP_RETRIES"] == "4"
    assert given["UV_INSECURE_HOST"] == "own.example"


def test_a_lock_and_an_image_do_without_folders_of_this_machine() -> None:
    variables = {
        "UV_FIND_LINKS": "/wheels,https://wheels.example/",
        "UV_INDEX": "file:///index more=https://more.example/simple",
        "UV_DEFAULT_INDEX": "file:///mirror",
        "UV_CONSTRAINT": "/constraints.txt",
        "UV_HTTP_TIMEOUT": "9",
    }

    assert packages.without_local_places(variables) == {
        "UV_FIND_LINKS": "https://wheels.example/",
        "UV_INDEX": "more=https://more.example/simple",
        "UV_HTTP_TIMEOUT": "9",
    }


def test_an_image_is_built_with_the_settings_as_a_secret(
    capfd: pytest.CaptureFixture[str],
) -> None:
    show = "import os, sys; print(os.environ['UV_SETTINGS'], *sys.argv[1:])"
    environ = {
        "UV_DEFAULT_INDEX": "https://user:password@index.example/simple",
        "UV_FIND_LINKS": "/wheels",
        "UV_CACHE_DIR": "/cache",
        "SSL_CERT_FILE": "/ca.pem",
        "SSL_CLIENT_CERT": "/me.pem",
        "HOME": "/home/somebody",
    }
    packages.build([sys.executable, "-c", show], environ)
    said = capfd.readouterr().out

    settings = json.dumps({"UV_DEFAULT_INDEX": environ["UV_DEFAULT_INDEX"]})
    certificates = "--secret id=ca,src=/ca.pem --secret id=client,src=/me.pem"
    assert f"{settings} --secret id=uv,env=UV_SETTINGS {certificates}\n" in said
    assert "UV_FIND_LINKS" in said.replace(settings, "")


def test_a_build_reads_its_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "SECRETS", tmp_path)
    for name in ("UV_DEFAULT_INDEX", "SSL_CERT_FILE", "SSL_CLIENT_CERT"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "uv").write_text('{"UV_DEFAULT_INDEX": "https://index.example/simple"}')
    for name in ("ca", "client"):
        (tmp_path / name).touch()

    found = packages.settings(tmp_path / "no-environment")

    assert found["UV_DEFAULT_INDEX"] == "https://index.example/simple"
    assert found["SSL_CERT_FILE"] == str(tmp_path / "ca")
    assert found["SSL_CLIENT_CERT"] == str(tmp_path / "client")


@pytest.mark.parametrize(
    ("accepted", "system", "machine", "words"),
    [
        (">=3.11,<3.11", "Linux", "x86_64", ["3.11 to 3.10 are accepted", "make install PYTHON="]),
        (">=3.11,<3.99", "Darwin", "x86_64", ["Intel Macs", "container"]),
    ],
)
def test_a_python_without_packages_is_refused_by_name(
    accepted: str, system: str, machine: str, words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platform, "system", lambda: system)
    monkeypatch.setattr(platform, "machine", lambda: machine)
    with pytest.raises(SystemExit) as refusal:
        packages.refuse_wrong_python(f'requires-python = "{accepted}"\n')

    said = str(refusal.value)
    assert said.startswith(f"error: {sys.executable} is Python {platform.python_version()}")
    assert [word for word in words if word not in said] == []


@pytest.mark.parametrize("accepted", ['requires-python = ">=3.11,<3.99"', ""])
def test_this_python_is_accepted(accepted: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "system", lambda: "Linux")
    packages.refuse_wrong_python(accepted)


def wheel(folder: Path, name: str, version: str, requires: str = "") -> str:
    """Write a wheel of nothing, and give its hash."""
    path = folder / f"{name}-{version}-py3-none-any.whl"
    info = f"{name}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    if requires:
        metadata += f"Requires-Dist: {requires}\n"
    files = {
        f"{info}/METADATA": metadata,
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(
        f"{file},sha256={urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
        f",{len(text)}\n"
        for file, text in files.items()
    ).replace("=,", ",")
    with zipfile.ZipFile(path, "w") as archive:
        for file, text in (files | {f"{info}/RECORD": record}).items():
            archive.writestr(file, text)
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def cuda_repo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository, a virtual environment, and wheels of a CUDA build that are a few bytes."""
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    wheel(wheels, "torch", "2.13.0", "nvidia-cudnn-cu13>=9")
    pinned = wheel(wheels, "nvidia_cudnn_cu13", "9.1")
    wheel(wheels, "nvidia_cudnn_cu13", "9.2")
    (tmp_path / "requirements.lock").write_text("torch==2.13.0\n")
    lock = f"nvidia-cudnn-cu13==9.1 ; python_version > '3' \\\n    --hash=sha256:{pinned}\n"
    (tmp_path / "requirements-cuda.lock").write_text(lock)
    # As in a repository: the lock of what all machines need leaves NVIDIA's packages out.
    (tmp_path / "pyproject.toml").write_text(
        '[[tool.uv.dependency-metadata]]\nname = "torch"\nrequires-dist = []\n'
    )
    subprocess.run([sys.executable, "-m", "uv", "venv", "-q", str(tmp_path / ".venv")], check=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def install_torch(repo: Path, index: str) -> tuple[int, str]:
    """The status and the words of an attempt at *index*, with the wheels as the way out."""
    environ = clean_environ() | {
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(repo / "wheels"),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    shutil.copy(SKELETON / "tools" / "packages.py", repo)
    shutil.copy(SKELETON / "layers" / "pytorch" / "tools" / "pytorch.py", repo)
    command = [sys.executable, "pytorch.py", ".venv", index]
    done = subprocess.run(
        command, cwd=repo, env=environ, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("path", ["/whl/cpu", ""], ids=["no-answer", "no-index"])
def test_the_cuda_build_comes_with_nvidias_packages_as_they_are_locked(
    path: str, cuda_repo: Path
) -> None:
    index = f"http://127.0.0.1:{free_port()}{path}" if path else ""
    status, said = install_torch(cuda_repo, index)

    assert status == 0, said
    assert "nvidia-cudnn-cu13==9.1" in said
    assert said.count(f"cannot be had from {index} (") == (1 if path else 0), said


def test_another_file_than_the_locked_one_is_refused(cuda_repo: Path) -> None:
    lock = cuda_repo / "requirements-cuda.lock"
    lock.write_text(lock.read_text()[:-65] + "0" * 64 + "\n")
    status, said = install_torch(cuda_repo, "")

    assert status != 0
    assert "Hash mismatch" in said


def test_the_index_that_answers_gives_the_build(cuda_repo: Path) -> None:
    simple = cuda_repo / "index" / "torch"
    simple.mkdir(parents=True)
    wheel(simple, "torch", "2.13.0+cpu")
    (simple / "index.html").write_text(
        '<a href="torch-2.13.0+cpu-py3-none-any.whl">torch-2.13.0+cpu-py3-none-any.whl</a>'
    )
    status, said = install_torch(cuda_repo, (cuda_repo / "index").as_uri())

    assert status == 0, said
    assert "torch==2.13.0+cpu" in said
    assert "nvidia" not in said


@pytest.mark.parametrize(("index", "build"), [("", "2.13.0+cpu"), ("cuda", "2.13.0")])
def test_who_asks_for_gpus_gets_no_build_for_cpus(index: str, build: str, cuda_repo: Path) -> None:
    wheel(cuda_repo / "wheels", "torch", "2.13.0+cpu")

    status, said = install_torch(cuda_repo, index)

    assert status == 0, said
    assert f" + torch=={build}\n" in said
    assert ("nvidia" in said) == (index == "cuda")


def test_a_missing_build_for_gpus_is_an_error(cuda_repo: Path) -> None:
    (cuda_repo / "wheels" / "torch-2.13.0-py3-none-any.whl").unlink()
    wheel(cuda_repo / "wheels", "torch", "2.13.0+cpu")

    status, said = install_torch(cuda_repo, "cuda")

    assert status != 0
    assert "torch==2.13.0+cpu" in " ".join(said.split())
